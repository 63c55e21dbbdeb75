//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sandbox"
)

// maxStdout is that of the commands of these tests.
const maxStdout = 1 << 20

// slack is what a loaded machine may add to a time.
const slack = 3 * time.Second

// eachKind runs a test with every kind of sandboxes that this host offers.
func eachKind(t *testing.T, config sandbox.Config, test func(t *testing.T, s *sandbox.Supervisor)) {
	for _, noCgroup := range []bool{false, true} {
		config.NoCgroup = noCgroup
		s, err := sandbox.Open(config)
		require.NoError(t, err)
		t.Run(s.Kind(), func(t *testing.T) { test(t, s) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		require.NoError(t, s.Close(ctx))
		cancel()
	}
}

// command makes a shell script a command. What it starts can be found by the
// variable MARK; the script gets a file name in $PIDS to write process ids to.
func command(t *testing.T, script string) sandbox.Command {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777))
	return sandbox.Command{
		Path:      "/bin/sh",
		Args:      []string{"-c", script},
		Dir:       dir,
		Env:       []string{"PATH=" + os.Getenv("PATH"), "PIDS=" + filepath.Join(dir, "pids")},
		MaxStdout: maxStdout,
		MaxStderr: 4 << 10,
	}
}

// requireDead reads the ids that a script wrote, and requires that no such process exists.
func requireDead(t *testing.T, c sandbox.Command) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir, "pids"))
	require.NoError(t, err)
	pids := strings.Fields(string(text))
	require.NotEmpty(t, pids)
	for _, field := range pids {
		stat, err := os.ReadFile("/proc/" + field + "/stat")
		// The dead whose parent is the system's first process wait for that one.
		if err == nil && !strings.Contains(string(stat), ") Z 1 ") {
			require.Fail(t, "a process is there", "%s", stat)
		}
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestCommandsOutputAndExitAreReturned(t *testing.T) {
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		res, err := s.Run(t.Context(), command(t, "echo out; echo err >&2; exit 3"))
		require.NoError(t, err)
		require.Equal(t, "out\n", string(res.Stdout))
		require.Equal(t, "err\n", string(res.Stderr))
		require.Equal(t, 3, res.ExitCode)
		require.Zero(t, res.Leftover)
		require.Positive(t, res.Usage.CPU)
	})
}

func TestNothingOutlivesARun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	scripts := map[string]string{
		"ignores SIGTERM":                     `trap "" TERM; echo $$ >>$PIDS; while :; do sleep 1; done`,
		"child ignores SIGTERM, holds stdout": `(trap "" TERM; sh -c 'echo $$ >>$PIDS; while :; do sleep 1; done') & sleep 0.2; wait`,
		"setsid":                              `setsid sh -c 'echo $$ >>$PIDS; sleep 1000' & sleep 1000`,
		"setsid and double fork":              `(setsid sh -c 'trap "" TERM; echo $$ >>$PIDS; (sleep 1000)& echo $! >>$PIDS; wait' &) ; sleep 1000`,
		"clean environment, double fork":      `(env -i PIDS=$PIDS setsid sh -c 'trap "" TERM; echo $$ >>$PIDS; while :; do sleep 1000; done' >/dev/null 2>&1 &) ; sleep 1000`,
	}
	eachKind(t, sandbox.Config{NoNewPrivs: true}, func(t *testing.T, s *sandbox.Supervisor) {
		for name, script := range scripts {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := command(t, script)
				began := time.Now()
				_, err := s.Run(within(t, time.Second), c)
				require.ErrorIs(t, err, sandbox.ErrEnded)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Less(t, time.Since(began), slack+4*time.Second)
				requireDead(t, c)
			})
		}
	})
}

func TestWhatALeaderLeavesIsEndedAndCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	scripts := map[string]string{
		"holds stdout":    `sleep 1000 & echo $! >>$PIDS; echo out`,
		"setsid":          `setsid sh -c 'echo $$ >>$PIDS; exec sleep 1000' & until test -s $PIDS; do sleep 0.05; done; echo out`,
		"clean and gone":  `(env -i PIDS=$PIDS setsid sh -c 'echo $$ >>$PIDS; exec sleep 1000' >/dev/null 2>&1 &); until test -s $PIDS; do sleep 0.05; done; echo out`,
		"ignores SIGTERM": `(trap "" TERM; exec sleep 1000) & echo $! >>$PIDS; sleep 0.2; echo out`,
	}
	eachKind(t, sandbox.Config{NoNewPrivs: true}, func(t *testing.T, s *sandbox.Supervisor) {
		for name, script := range scripts {
			t.Run(name, func(t *testing.T) {
				c := command(t, script)
				res, err := s.Run(within(t, 10*time.Second), c)
				require.NoError(t, err)
				require.Zero(t, res.ExitCode)
				require.Equal(t, "out\n", string(res.Stdout))
				require.Equal(t, 1, res.Leftover)
				require.Empty(t, res.Survivors)
				requireDead(t, c)
			})
		}
	})
}

func TestEndlessStdoutEndsTheRun(t *testing.T) {
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		res, err := s.Run(within(t, 20*time.Second), command(t, "exec yes"))
		require.ErrorIs(t, err, sandbox.ErrStdout)
		require.Len(t, res.Stdout, 64<<10)
		require.Greater(t, res.StdoutSize, int64(maxStdout))
	})
}

func TestStdoutUpToTheLimitIsComplete(t *testing.T) {
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		res, err := s.Run(within(t, 20*time.Second), command(t, fmt.Sprintf("yes | head -c %d", maxStdout)))
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("y\n", maxStdout/2), string(res.Stdout))
	})
}

func TestOutputsTakeABoundedMemoryTogether(t *testing.T) {
	const small, held, large = 60 << 10, 300 << 10, 900 << 10
	eachKind(t, sandbox.Config{MaxOutputs: 1000 << 10}, func(t *testing.T, s *sandbox.Supervisor) {
		holding := command(t, fmt.Sprintf("head -c %d /dev/zero; echo $$ >>$PIDS; exec sleep 1000", held))
		ctx, end := context.WithCancel(within(t, 20*time.Second))
		ended := make(chan error, 1)
		go func() {
			_, err := s.Run(ctx, holding)
			ended <- err
		}()
		require.Eventually(t, func() bool {
			content, _ := os.ReadFile(filepath.Join(holding.Dir, "pids"))
			return len(content) > 0 // all but 64 KiB have been read
		}, 10*time.Second, time.Millisecond)

		res, err := s.Run(within(t, 20*time.Second), command(t, fmt.Sprintf("head -c %d /dev/zero; exec sleep 1000", large)))
		require.ErrorIs(t, err, sandbox.ErrMemory)
		require.Len(t, res.Stdout, 64<<10)
		res, err = s.Run(within(t, 20*time.Second), command(t, fmt.Sprintf("head -c %d /dev/zero", small)))
		require.NoError(t, err, "a small one is never too much")
		require.Len(t, res.Stdout, small)

		end()
		require.ErrorIs(t, <-ended, sandbox.ErrEnded)
		res, err = s.Run(within(t, 20*time.Second), command(t, fmt.Sprintf("head -c %d /dev/zero", large)))
		require.NoError(t, err, "it is given back")
		require.Len(t, res.Stdout, large)
	})
}

func TestOnlyTheEndOfStderrIsKept(t *testing.T) {
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res, err := s.Run(within(t, 20*time.Second), command(t, "yes | head -c 104857600 >&2; printf end >&2"))
		require.NoError(t, err)
		runtime.ReadMemStats(&after)
		require.Len(t, res.Stderr, 4<<10)
		require.True(t, strings.HasSuffix(string(res.Stderr), "y\nend"))
		require.Equal(t, int64(104857603), res.StderrSize)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	})
}

func TestWhatCannotBeStartedIsSaid(t *testing.T) {
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		_, err := s.Run(t.Context(), sandbox.Command{Path: "./none", Dir: t.TempDir()})
		var start *sandbox.StartError
		require.ErrorAs(t, err, &start)
		require.ErrorIs(t, err, syscall.ENOENT)
	})
}

func TestCanceledRunIsEnded(t *testing.T) {
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		ctx, cancel := context.WithCancel(t.Context())
		c := command(t, "echo $$ >$PIDS; sleep 1000")
		time.AfterFunc(200*time.Millisecond, cancel)
		_, err := s.Run(ctx, c)
		require.ErrorIs(t, err, context.Canceled)
		requireDead(t, c)
	})
}

func TestClosedSupervisorRunsNothing(t *testing.T) {
	s, err := sandbox.Open(sandbox.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))
	require.NoError(t, s.Close(t.Context()))
	_, err = s.Run(t.Context(), command(t, "true"))
	require.True(t, errors.Is(err, sandbox.ErrClosed))
}

// A process in a frozen cgroup v1 does not react to SIGKILL, like one that waits for a dead
// file system.
func TestProcessThatCannotBeEndedDelaysNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	frozen := filepath.Join("/sys/fs/cgroup/freezer", fmt.Sprint("sandboxtest-", os.Getpid()))
	if err := os.Mkdir(frozen, 0o755); err != nil {
		t.Skip("there is no freezer to be had: ", err)
	}
	t.Cleanup(func() { os.Remove(frozen) })
	thaw := func() error { return os.WriteFile(frozen+"/freezer.state", []byte("THAWED"), 0) }
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		c := command(t, "echo $$ >$PIDS; echo $$ >"+frozen+"/cgroup.procs; echo FROZEN >"+frozen+"/freezer.state; sleep 1000")
		defer thaw()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan time.Time, 1)
		go func() {
			defer cancel()
			for state := ""; state != "FROZEN\n"; runtime.Gosched() {
				text, _ := os.ReadFile(frozen + "/freezer.state")
				state = string(text)
			}
			ended <- time.Now()
		}()
		res, err := s.Run(ctx, c)
		require.ErrorIs(t, err, sandbox.ErrEnded)
		require.Less(t, time.Since(<-ended), slack+3*time.Second)
		require.Len(t, res.Survivors, 1)

		require.NoError(t, thaw())
		select {
		case <-res.Gone:
		case <-time.After(10 * time.Second):
			require.Fail(t, "the survivor is not waited for")
		}
		requireDead(t, c)
	})
}

// An embedding program has children and dead children of its own.
func TestOtherChildrenAreLeftAlone(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true}, func(t *testing.T, s *sandbox.Supervisor) {
		mine := exec.Command("/bin/sh", "-c", "exit 7")
		require.NoError(t, mine.Start())
		living := exec.Command("/bin/sleep", "1000")
		require.NoError(t, living.Start())
		_, err := s.Run(within(t, 10*time.Second), command(t, "(setsid sleep 1000 >/dev/null 2>&1 &); sleep 0.2"))
		require.NoError(t, err)
		var exit *exec.ExitError
		require.ErrorAs(t, mine.Wait(), &exit)
		require.Equal(t, 7, exit.ExitCode())
		require.NoError(t, living.Process.Kill())
		require.ErrorContains(t, living.Wait(), "killed")
	})
}

func TestManyRunsAtATimeAllEndWell(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	eachKind(t, sandbox.Config{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 50}}, func(t *testing.T, s *sandbox.Supervisor) {
		var runs sync.WaitGroup
		c := command(t, "sleep 0.05; echo out; exec env -i /bin/true")
		for range 200 {
			runs.Go(func() {
				res, err := s.Run(t.Context(), c)
				assert.NoError(t, err)
				assert.Zero(t, res.ExitCode)
				assert.Equal(t, "out\n", string(res.Stdout))
				assert.Zero(t, res.Leftover)
			})
		}
		runs.Wait()
	})
}

func TestWhatAKilledProgramLeftInItsSandboxesIsEnded(t *testing.T) {
	s, err := sandbox.Open(sandbox.Config{})
	require.NoError(t, err)
	if s.Kind() != "cgroup" {
		t.Skip("there are no cgroups")
	}
	require.NoError(t, s.Close(t.Context()))
	if os.Getenv("SANDBOX_TEST_VICTIM") != "" {
		s, err := sandbox.Open(sandbox.Config{})
		require.NoError(t, err)
		s.Run(t.Context(), sandbox.Command{Path: "/bin/sh", Args: []string{"-c", "sleep 1000 & echo $$ $! >>$PIDS; kill -9 $PPID; wait"}, Dir: "/", Env: []string{"PIDS=" + os.Getenv("SANDBOX_TEST_VICTIM")}})
	}
	c := command(t, "")
	victim := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	victim.Env = append(os.Environ(), "SANDBOX_TEST_VICTIM="+filepath.Join(c.Dir, "pids"))
	require.ErrorContains(t, victim.Run(), "killed")
	s, err = sandbox.Open(sandbox.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(c.Dir, "pids"))
		if err != nil {
			return false
		}
		for _, field := range strings.Fields(string(text)) {
			stat, err := os.ReadFile("/proc/" + field + "/stat")
			if err == nil && !strings.Contains(string(stat), ") Z ") {
				return false
			}
		}
		return true
	}, 5*time.Second, 10*time.Millisecond)
}
