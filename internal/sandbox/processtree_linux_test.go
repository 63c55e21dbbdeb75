package sandbox

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/procfs"
)

func TestWithoutASubreaperRunsAreHeldByTheirSession(t *testing.T) {
	b := openSubreaper(Config{Logger: slog.New(slog.DiscardHandler)}, func() error { return errors.New("invalid argument") })
	require.Equal(t, "process group", b.kind())
	c, err := b.open(Limits{})
	require.NoError(t, err)
	p := newProcess(nil)
	err = c.start(launch{path: "/bin/sh", argv: []string{"sh", "-c", "sleep 1000 & sleep 1000 & wait"}, sys: sysProcAttr(nil)}, p)
	p.launched(err)
	require.NoError(t, err)
	require.Eventually(t, func() bool { pids, err := c.members(); return err == nil && len(pids) == 2 }, 10*time.Second, time.Millisecond)
	p.kill()
	require.False(t, c.closeIfEmpty())
	require.NoError(t, c.signal(syscall.SIGKILL))
	require.Eventually(t, c.closeIfEmpty, 10*time.Second, time.Millisecond)
}

// startProcess starts a process that is waited for in the background.
func startProcess(l launch) (*process, error) {
	p := newProcess(nil)
	err := p.start(l)
	p.launched(err)
	return p, err
}

// orphan starts a shell that leaves an orphan to this program, in a session
// of its own and, if asked for, unable to gain privileges, and returns it.
func orphan(t *testing.T, script string, noNewPrivs bool) int {
	require.NoError(t, becomeSubreaper())
	output := t.TempDir() + "/pid"
	born := make(chan error)
	onOwnThread(func() {
		err := changeThread(Config{NoNewPrivs: noNewPrivs})
		if err == nil {
			shell := exec.Command("/bin/sh", "-c", "setsid sh -c 'echo $$ >"+output+"; "+script+"' & until test -s "+output+"; do sleep 0.01; done")
			err = shell.Run()
		}
		born <- err
	})
	require.NoError(t, <-born)
	text, err := os.ReadFile(output)
	require.NoError(t, err)
	n, ok := procfs.ParseNumber([]byte(strings.TrimSpace(string(text))))
	require.True(t, ok)
	return int(n)
}

func gone(pid int) func() bool {
	return func() bool {
		_, err := procfs.ReadStat(pid)
		return err != nil
	}
}

func startTestReaper(t *testing.T, kills bool) {
	r := &reaper{orphans: newOrphanFilter(Config{NoNewPrivs: true}), kills: kills, stop: make(chan struct{}), done: make(chan struct{})}
	go r.run(10 * time.Millisecond)
	t.Cleanup(r.close)
}

// Health checks of a container's engine leave orphans to the first process.
func TestDeadOrphansOfOthersAreReaped(t *testing.T) {
	startTestReaper(t, false)
	require.Eventually(t, gone(orphan(t, "sleep 0.05", false)), 10*time.Second, 10*time.Millisecond)
}

func TestDeadChildrenOfTheProgramAroundAreNotReaped(t *testing.T) {
	require.NoError(t, becomeSubreaper())
	startTestReaper(t, true)
	child := exec.Command("/bin/sh", "-c", "exit 7")
	require.NoError(t, child.Start())
	require.Eventually(t, gone(orphan(t, "true", false)), 10*time.Second, 10*time.Millisecond, "the reaper has looked")
	var exit *exec.ExitError
	require.ErrorAs(t, child.Wait(), &exit)
	require.Equal(t, 7, exit.ExitCode())
}

func TestStraysOfCommandsAreKilledBetweenRuns(t *testing.T) {
	stray, other := orphan(t, "exec sleep 1000", true), orphan(t, "exec sleep 1000", false)
	startTestReaper(t, true)
	require.Eventually(t, gone(stray), 10*time.Second, 10*time.Millisecond)
	require.False(t, gone(other)(), "it came from elsewhere")
	require.NoError(t, syscall.Kill(other, syscall.SIGKILL))
	require.Eventually(t, gone(other), 10*time.Second, 10*time.Millisecond)
}
