package agent_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
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

func TestANamespaceWhosePointsAreDroppedIsNamedWhileItsOthersAreWell(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Fail(&agent.PermanentError{Reason: "bad_topic", Err: errors.New("no topic can have this name")})
		w.pass(time.Minute)
		status := w.Status()
		require.Empty(t, status.Output.Error, "the output itself is well")
		require.Len(t, status.Output.Dropping, 1)
		d := status.Output.Dropping[0]
		require.Equal(t, "web", d.Namespace)
		require.Equal(t, "bad_topic", d.Reason)
		require.Equal(t, "no topic can have this name", d.Error)
		require.Equal(t, w.account("web").Dropped["bad_topic"], d.Points)
		require.Less(t, time.Since(d.Last), 10*time.Second)
		require.Equal(t, "rename it", d.Advice)
		require.Regexp(t, `^namespace web drops points \(bad_topic\): .*: no topic can have this name; rename it$`, status.Wrong()[0])

		w.output.Heal()
		w.pass(10 * time.Minute)
		require.Empty(t, w.Status().Output.Dropping)
	}, every(10*time.Second, "m"), agent.WithDropAdvice(map[string]string{"bad_topic": "rename it"}))
}

func TestALoggerMayAskForTheStatusWhileTheAccountsAreRead(t *testing.T) {
	state := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(state, "ledger.json"), []byte(`{"web":{"accepted":5,"delivered":2,"waiting":3}}`), 0o600))
	var asked atomic.Int32
	handler := asking{new(atomic.Pointer[agent.Agent]), func(a *agent.Agent) { asked.Add(1); a.Status() }}
	inBubble(t, func(t *testing.T, w *world) {
		handler.agent.Store(w.Agent)
		began := time.Now()
		w.run()
		require.Less(t, time.Since(began), time.Second)
		require.Equal(t, int64(3), w.account("web").Dropped["unclean_stop"])
		require.Positive(t, asked.Load())
	}, agent.WithStateDir(state), agent.WithLogger(slog.New(handler)))
}
