package nsqoutput

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestTheTopicsThatAreRememberedAreBounded(t *testing.T) {
	var w written
	require.Empty(t, w.details())
	begin := time.Unix(1_700_000_000, 0)
	for i := range maxWritten + 1 {
		w.note(agent.TopicDetails{Namespace: fmt.Sprintf("ns%03d", i), Server: "a", Time: begin.Add(time.Duration(i) * time.Second)})
	}
	again := agent.TopicDetails{Namespace: "ns001", Server: "b", Time: begin.Add(time.Hour)}
	w.note(again)
	details := w.details()
	require.Len(t, details, maxWritten)
	require.Equal(t, again, details[0], "ns000 was written to least recently")
	require.Equal(t, "ns256", details[maxWritten-1].Namespace)
}
