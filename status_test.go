package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStatusHasTimesInSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(time.Second)
		status := w.Status()
		require.Equal(t, 1.0, status.Uptime)
		require.Equal(t, 10.0, status.Collectors[0].Interval)
	}, every(10*time.Second, "m"))
}
