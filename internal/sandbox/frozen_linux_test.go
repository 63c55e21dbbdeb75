package sandbox_test

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sandbox"
)

// Before it executes its file, a new process shares this program's memory. A
// process of its user may stop it then.
func TestCommandThatIsStoppedBeforeItBeginsHoldsUpNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs commands as other users")
	}
	const user = 61234
	stopper := exec.Command(reachable(t))
	stopper.Env = append(os.Environ(), "SANDBOX_TEST_ROLE=stopper")
	stopper.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	stdout, err := stopper.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, stopper.Start())
	defer stopper.Wait()
	defer stopper.Process.Kill()
	_, err = stdout.Read(make([]byte, 1))
	require.NoError(t, err, "it has begun")

	eachKind(t, sandbox.Config{NoNewPrivs: true, Grace: 10 * time.Millisecond}, func(t *testing.T, s *sandbox.Supervisor) {
		as := func(uid uint32) sandbox.Command {
			return sandbox.Command{Path: "/bin/true", Dir: "/", User: &sandbox.User{UID: uid, GID: uid}}
		}
		var stopped atomic.Int32
		run := func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if _, err := s.Run(ctx, as(user)); err != nil && strings.Contains(err.Error(), "did not execute its program") {
				stopped.Add(1)
			}
		}
		for deadline := time.Now().Add(20 * time.Second); stopped.Load() == 0 && time.Now().Before(deadline); {
			var runs sync.WaitGroup
			for range 3 {
				runs.Go(run)
			}
			_, err := s.Run(within(t, slack), as(user+1))
			require.NoError(t, err, "another user's command runs")
			runtime.GC()
			runs.Wait()
		}
		require.Positive(t, stopped.Load())
	})
}

// reachable returns the path of a copy of this test binary that all users can
// execute.
func reachable(t *testing.T) string {
	c := command(t, "")
	binary, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.Chmod(c.Dir+"/..", 0o755))
	require.NoError(t, os.WriteFile(c.Dir+"/binary", binary, 0o755))
	return c.Dir + "/binary"
}
