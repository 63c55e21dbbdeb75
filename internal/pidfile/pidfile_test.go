//go:build unix

package pidfile_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/pidfile"
)

func path(t *testing.T) string { return filepath.Join(t.TempDir(), "run", "agent.pid") }

func TestTheHolderOfThePIDFileIsTheRunningAgent(t *testing.T) {
	path := path(t)
	held, err := pidfile.Take(path)
	require.NoError(t, err)
	running, err := pidfile.Running(path)
	require.NoError(t, err)
	defer running.Close()
	require.Equal(t, os.Getpid(), running.PID)

	_, err = pidfile.Take(path)
	require.EqualError(t, err, fmt.Sprintf("an agent is running already as process %d (pid file %s);"+
		" stop it first (agent stop), or give this one a pid file of its own (agent.pidfile)", os.Getpid(), path))

	require.NoError(t, held.Release())
	_, err = pidfile.Running(path)
	require.ErrorIs(t, err, pidfile.ErrNotRunning)
	require.ErrorContains(t, err, "there is no pid file "+path)
}

func TestAFileThatADeadAgentLeftIsTakenOver(t *testing.T) {
	path := path(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("123456789 and more\n"), 0o644))
	held, err := pidfile.Take(path)
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(os.Getpid())+"\n", string(content))
	require.NoError(t, held.Release())
}

func TestAnotherProgramsNumberIsNoAgent(t *testing.T) {
	path := path(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	for text, want := range map[string]string{
		strconv.Itoa(os.Getppid()): fmt.Sprintf("names process %d, which is not an agent of this file", os.Getppid()),
		"":                         "names no process",
		"rubbish":                  "names no process",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, err := pidfile.Running(path)
		require.ErrorIs(t, err, pidfile.ErrNotRunning)
		require.ErrorContains(t, err, want)
	}
}

func TestANumberThatTheHolderDidNotWriteIsNoAgent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process has open is known on Linux only")
	}
	path := path(t)
	held, err := pidfile.Take(path)
	require.NoError(t, err)
	defer held.Release()
	other := exec.Command("sleep", "60")
	require.NoError(t, other.Start())
	defer func() {
		require.NoError(t, other.Process.Kill())
		require.Error(t, other.Wait())
	}()
	for _, pid := range []int{other.Process.Pid, 1 << 30} {
		require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(pid)), 0o644))
		_, err = pidfile.Running(path)
		require.ErrorContains(t, err, fmt.Sprintf("names process %d, which is not an agent", pid))
	}
}

func TestNobodyStartsWhileTheFileIsHeld(t *testing.T) {
	path := path(t)
	held, err := pidfile.Hold(path)
	require.NoError(t, err)
	_, err = pidfile.Take(path)
	require.Error(t, err)
	require.NoError(t, held.Release())
	require.NoFileExists(t, path)
}

func TestAProcessHasExitedBeforeItsParentKnows(t *testing.T) {
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	require.False(t, pidfile.Exited(child.Process.Pid))
	require.NoError(t, stdin.Close())
	require.Eventually(t, func() bool { return pidfile.Exited(child.Process.Pid) }, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, child.Wait())
	require.True(t, pidfile.Exited(child.Process.Pid))
}

func TestARemovedPIDFileIsNoFaultAndIsWrittenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.pid")
	held, err := pidfile.Take(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.NoError(t, held.Renew())
	running, err := pidfile.Running(path)
	require.NoError(t, err)
	defer running.Close()
	require.Equal(t, os.Getpid(), running.PID)
	require.NoError(t, held.Renew(), "there is nothing to do")

	require.NoError(t, os.Remove(path))
	require.NoError(t, held.Release())
}

func TestThePIDFileOfAnotherIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.pid")
	first, err := pidfile.Take(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	second, err := pidfile.Take(path)
	require.NoError(t, err)
	require.ErrorContains(t, first.Renew(), "an agent is running already")
	require.NoError(t, first.Release())
	require.FileExists(t, path)
	require.NoError(t, second.Release())
	require.NoFileExists(t, path)
}

func TestWhoeverWaitsLearnsHowTheAgentEnded(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, held *pidfile.File, path string)
		want string
	}{
		"cleanly": {end: func(t *testing.T, held *pidfile.File, _ string) { require.NoError(t, held.Release()) }},
		"with an error": {
			end: func(t *testing.T, held *pidfile.File, _ string) {
				require.NoError(t, held.Fail(errors.New("3 points are lost")))
				require.NoError(t, held.Release())
			},
			want: "3 points are lost",
		},
		"by a kill": {
			end:  func(*testing.T, *pidfile.File, string) {},
			want: "it was killed or crashed, and did not stop cleanly",
		},
		"and another began": {end: func(t *testing.T, _ *pidfile.File, path string) {
			require.NoError(t, os.WriteFile(path, []byte("99999999\n"), 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "agent.pid")
			held, err := pidfile.Take(path)
			require.NoError(t, err)
			running, err := pidfile.Running(path)
			require.NoError(t, err)
			defer running.Close()
			c.end(t, held, path)
			require.Equal(t, c.want, running.Failure())
		})
	}
}
