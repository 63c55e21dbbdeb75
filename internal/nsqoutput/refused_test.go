package nsqoutput_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/internal/nsqoutput"
)

func TestWriteGivesUpWhatEveryServerRefuses(t *testing.T) {
	tests := map[string]string{
		"E_BAD_TOPIC PUB topic name is not valid":  "bad_topic",
		"E_BAD_MESSAGE PUB failed to read message": "bad_message",
		"E_BAD_BODY MPUB invalid body size 9":      "bad_body",
		"E_BAD_MESSAGE PUB message too big 9 > 8":  "too_large",
		"E_BAD_BODY MPUB body too big 9 > 8":       "too_large", // nsqd never says so of a single message
	}
	for answer, reason := range tests {
		t.Run(answer, func(t *testing.T) {
			out := newOutput(t, nsqoutput.Config{Servers: []string{serveScript(t, refusing(answer)), serveScript(t, refusing(answer))}})
			err := out.Write(t.Context(), batch(10))
			var permanent *agent.PermanentError
			require.ErrorAs(t, err, &permanent)
			require.Equal(t, reason, permanent.Reason)
			require.ErrorContains(t, err, answer)
		})
	}
}

func TestWriteLearnsWhyNsqdHangsUpOnALargeMessage(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{MaxMessageSize: 2 << 10})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Direct()}})
	for _, n := range []int{10_000, 1_000_000} { // what is in the socket's buffers when nsqd hangs up, and what is not
		b := agent.Batch{Namespace: "ns", Metrics: []agent.Metric{{Name: "large", Value: strings.Repeat("x", n)}}}
		err := out.Write(t.Context(), b)
		var permanent *agent.PermanentError
		require.ErrorAs(t, err, &permanent)
		require.Equal(t, "too_large", permanent.Reason)
		require.ErrorContains(t, err, "message too big")
	}
	require.NoError(t, out.Write(t.Context(), batch(1)))
}

func TestWriteDoesNotGiveUpWhatAServerThatIsDownMightTake(t *testing.T) {
	out := newOutput(t, nsqoutput.Config{Servers: []string{serveScript(t, refusing("E_BAD_MESSAGE PUB message too big")), deadAddress(t)}})
	err := out.Write(t.Context(), batch(1))
	require.ErrorContains(t, err, "E_BAD_MESSAGE")
	require.NotErrorAs(t, err, new(*agent.PermanentError))
}

func TestWriteDoesNotGiveUpWhatIsNotAuthorizedYet(t *testing.T) {
	out := newOutput(t, nsqoutput.Config{Servers: []string{serveScript(t, refusing("E_UNAUTHORIZED AUTH failed for PUB"))}})
	err := out.Write(t.Context(), batch(1))
	require.ErrorContains(t, err, "E_UNAUTHORIZED")
	require.NotErrorAs(t, err, new(*agent.PermanentError))
}
