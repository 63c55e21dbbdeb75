package nsqoutput

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestARefusalIsFinalWhenTheOtherServersAreLongGone(t *testing.T) {
	for downFor, final := range map[time.Duration]bool{grace - time.Second: false, grace + time.Second: true} {
		out, err := New(Config{Servers: []string{"refusing:4150", "gone:4150"}})
		require.NoError(t, err)
		gone := &out.servers[1].health
		gone.settle(errNoAnswer, time.Second, false, agent.ServerUp)
		gone.since = time.Now().Add(-downFor)

		err = out.failure(t.Context(), []error{&refusal{"E_BAD_MESSAGE PUB message too big"}, nil})
		var permanent *agent.PermanentError
		if !final {
			require.NotErrorAs(t, err, &permanent)
			continue
		}
		require.ErrorAs(t, err, &permanent)
		require.Equal(t, "too_large", permanent.Reason)
		require.ErrorContains(t, err, "nsqd "+out.servers[1].addr+": ")
		require.ErrorContains(t, err, "(retried in ")
	}
}
