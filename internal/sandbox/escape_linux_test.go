package sandbox_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/procfs"
	"github.com/lodastack/agent/internal/sandbox"
)

// role makes a command of a script that can start this test binary as $ROLE.
func role(t *testing.T, name, script string) sandbox.Command {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	c := command(t, script)
	c.Env = append(c.Env, "ROLE=env SANDBOX_TEST_ROLE="+name+" "+binary)
	return c
}

func TestNothingHostileOutlivesARun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, c := range map[string]sandbox.Command{
		"leader has lost its first thread":        role(t, "headless", `exec $ROLE`),
		"orphan has lost its first thread":        role(t, "headless", `(setsid $ROLE >/dev/null 2>&1 &); sleep 1000`),
		"chain of processes":                      role(t, "chain", `exec $ROLE`),
		"chain of processes in another session":   role(t, "chain", `(setsid $ROLE >/dev/null 2>&1 &); sleep 1000`),
		"orphan that may not be read":             role(t, "undumpable", `(setsid sh -c 'echo $$ >>$PIDS; exec $ROLE' >/dev/null 2>&1 &); sleep 1000`),
		"orphan that claims to be of another run": role(t, "", `(AGENT_RUN=bogus setsid sh -c 'echo $$ >>$PIDS; sleep 1000' >/dev/null 2>&1 &); sleep 1000`),
	} {
		eachKind(t, sandbox.Config{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 100}}, func(t *testing.T, s *sandbox.Supervisor) {
			t.Run(name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					awaitFile(t, filepath.Join(c.Dir, "pids"))
					time.Sleep(100 * time.Millisecond) // the hostile part follows the announcement
					cancel()
				}()
				res, err := s.Run(ctx, c)
				if err != nil { // the first of a chain exits by itself
					require.ErrorIs(t, err, sandbox.ErrEnded)
				}
				require.Empty(t, res.Survivors)
				requireDead(t, c)
				requireNoneOf(t, os.Args[0])
				_, err = s.Run(t.Context(), command(t, "true"))
				require.NoError(t, err, "the next run starts")
			})
		})
	}
}

// The two ignore SIGTERM; the one in another session knows at once when the
// leader is killed, by the end of what it reads.
func TestNothingIsStartedInPlaceOfAProcessThatIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	eachKind(t, sandbox.Config{NoNewPrivs: true, Grace: 100 * time.Millisecond}, func(t *testing.T, s *sandbox.Supervisor) {
		for range 5 {
			c := command(t, `trap "" TERM; mkfifo line
				setsid sh -c 'trap "" TERM; read end <line; echo >replaced' &
				exec 3>line; echo $$ >$PIDS; while :; do sleep 1; done`)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				awaitFile(t, filepath.Join(c.Dir, "pids"))
				cancel()
			}()
			res, err := s.Run(ctx, c)
			require.ErrorIs(t, err, sandbox.ErrEnded)
			<-res.Gone
			require.NoFileExists(t, filepath.Join(c.Dir, "replaced"))
		}
	})
}

func TestWhatLostItsFirstThreadIsEndedAtTheNextStart(t *testing.T) {
	s, err := sandbox.Open(sandbox.Config{})
	require.NoError(t, err)
	if s.Kind() != "cgroup" {
		t.Skip("there are no cgroups")
	}
	require.NoError(t, s.Close(t.Context()))
	if os.Getenv("SANDBOX_TEST_VICTIM") != "" {
		s, err := sandbox.Open(sandbox.Config{})
		require.NoError(t, err)
		c := role(t, "headless", `(setsid $ROLE &); until test -s $PIDS; do sleep 0.05; done; sleep 0.2; kill -9 $PPID; wait`)
		c.Env = append(c.Env, "PIDS="+os.Getenv("SANDBOX_TEST_VICTIM"))
		s.Run(t.Context(), c)
	}
	c := command(t, "")
	victim := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	victim.Env = append(os.Environ(), "SANDBOX_TEST_VICTIM="+filepath.Join(c.Dir, "pids"), "TMPDIR="+t.TempDir())
	require.ErrorContains(t, victim.Run(), "killed")
	s, err = sandbox.Open(sandbox.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))
	text, err := os.ReadFile(filepath.Join(c.Dir, "pids"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	stat, err := procfs.ReadStat(pid)
	require.True(t, err != nil || stat.Dead(), "%+v", stat)
}

// Another agent, even agent plugin test, may be in another PID namespace, where
// the numbers of this one's processes mean nothing.
func TestProgramInAnotherPIDNamespaceLeavesSandboxesAlone(t *testing.T) {
	if os.Getenv("SANDBOX_TEST_STRANGER") != "" {
		s, err := sandbox.Open(sandbox.Config{Limits: sandbox.Limits{Processes: 10}})
		require.NoError(t, err)
		_, err = s.Run(t.Context(), command(t, "true"))
		require.NoError(t, err)
		require.NoError(t, s.Close(t.Context()))
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root makes PID namespaces")
	}
	eachKind(t, sandbox.Config{Limits: sandbox.Limits{Processes: 10}}, func(t *testing.T, s *sandbox.Supervisor) {
		c := command(t, "echo $$ >$PIDS; until test -e done; do sleep 0.05; done; echo out")
		go func() {
			awaitFile(t, filepath.Join(c.Dir, "pids"))
			stranger := exec.Command(os.Args[0], "-test.run=^"+strings.Split(t.Name(), "/")[0]+"$")
			stranger.Env = append(os.Environ(), "SANDBOX_TEST_STRANGER=1")
			stranger.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
			out, err := stranger.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			os.WriteFile(filepath.Join(c.Dir, "done"), nil, 0o600)
		}()
		res, err := s.Run(within(t, 20*time.Second), c)
		require.NoError(t, err)
		require.Equal(t, "out\n", string(res.Stdout))
		_, err = s.Run(t.Context(), command(t, "true"))
		require.NoError(t, err)
	})
}

// awaitFile returns when something was written to the file.
func awaitFile(t *testing.T, path string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return
		}
	}
	t.Errorf("nothing was written to %s", path)
}

// requireNoneOf requires that only this process runs the executable.
func requireNoneOf(t *testing.T, executable string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	require.NoError(t, err)
	for _, link := range links {
		pid := filepath.Base(filepath.Dir(link))
		target, err := os.Readlink(link)
		if err != nil || target != executable || pid == self() {
			continue
		}
		t.Errorf("process %s is left", pid)
	}
}

func self() string {
	pid, _ := os.Readlink("/proc/self")
	return pid
}
