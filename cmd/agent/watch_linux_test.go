package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// window is a terminal with a command in it.
type window struct {
	master *os.File
	cmd    *exec.Cmd
	ended  chan struct{}

	mu     sync.Mutex
	output bytes.Buffer // guarded by mu
}

// openWindow runs `agent status --watch 1` for the host's agent in a terminal of so many lines.
func (h *host) openWindow(t *testing.T, lines uint16, env ...string) *window {
	t.Helper()
	return h.openWindowEvery(t, "1", lines, env...)
}

// openWindowEvery is openWindow with another number of seconds.
func (h *host) openWindowEvery(t *testing.T, seconds string, lines uint16, env ...string) *window {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer slave.Close()
	w := &window{master: master, cmd: agentCommand(t, "status", "-f", h.config, "--watch", seconds), ended: make(chan struct{})}
	w.resize(t, lines)
	w.cmd.Env = append(append(w.cmd.Env, "TERM=xterm", "NO_COLOR="), env...)
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = slave, slave, slave
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, w.cmd.Start())
	go w.read()
	go func() {
		w.cmd.Wait() // the test looks at ProcessState
		close(w.ended)
	}()
	t.Cleanup(func() {
		w.cmd.Process.Kill() // if it has not ended yet
		<-w.ended
	})
	return w
}

func (w *window) resize(t *testing.T, lines uint16) {
	t.Helper()
	require.NoError(t, unix.IoctlSetWinsize(int(w.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: lines, Col: 100}))
}

// read keeps what the command writes, until the terminal is closed.
func (w *window) read() {
	buf := make([]byte, 4096)
	for {
		n, err := w.master.Read(buf)
		w.mu.Lock()
		w.output.Write(buf[:n])
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// await waits until the whole output matches, and then forgets it if the command goes on.
func (w *window) await(t *testing.T, text string) (output string) {
	t.Helper()
	wanted := regexp.MustCompile(text)
	defer func() {
		if t.Failed() {
			t.Logf("the window has %q", output)
		}
	}()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		output = w.output.String()
		if !wanted.MatchString(output) {
			return false
		}
		w.output.Reset()
		return true
	}, 20*time.Second, 5*time.Millisecond, "%s", text)
	return output
}

// interrupt presses Ctrl-C, and returns what the command writes then.
func (w *window) interrupt(t *testing.T, last string) string {
	t.Helper()
	_, err := w.master.WriteString("\x03")
	require.NoError(t, err)
	select {
	case <-w.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Ctrl-C does not end it")
	}
	require.Equal(t, 0, w.cmd.ProcessState.ExitCode())
	return w.await(t, last)
}

func TestWatchFollowsTheAgentOnAScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	agent := h.startReady(t)
	w := h.openWindow(t, 8)
	first := w.await(t, `… \d+ lines more\x1b\[K\x1b\[J`)
	require.True(t, strings.HasPrefix(first, "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H"), "%q", first)
	require.Regexp(t, `^\d\d:\d\d:\d\d, every 1s until Ctrl-C`, strings.TrimPrefix(first, "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H"))
	require.Equal(t, 7, strings.Count(first, "\r\n"), "%q", first)

	w.resize(t, 100)
	w.await(t, `(?s)namespaces +web\.shop.*COLLECTOR.*\x1b\[J$`)

	require.NoError(t, agent.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, agent.exitCode(t))
	w.await(t, `(?s)WRONG\S*\r+\n +no agent answers at .*It answered \S+ ago for the last time\.\x1b\[K\x1b\[J$`)
	h.startReady(t)
	w.await(t, `namespaces +web\.shop`)

	last := w.interrupt(t, `\x1b\[\?7h\x1b\[\?25h\x1b\[\?1049l$`)
	require.NotContains(t, last, "\x1b[?1049h")
}

func TestWatchFollowsTheSizeOfItsWindowAtOnce(t *testing.T) {
	h := newHost(t)
	w := h.openWindowEvery(t, "3600", 3)
	w.await(t, `… 3 lines more\x1b\[K\x1b\[J$`)
	w.resize(t, 100)
	w.await(t, `It has not answered since .*\x1b\[J$`)
}

func TestWatchRespectsWhatATerminalAndItsUserWant(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	coloured := h.openWindow(t, 10).await(t, `no agent answers.*\n.*It has not answered since this command began, \S+ ago\.`)
	require.Contains(t, coloured, "\x1b[31mWRONG\x1b[0m")
	plain := h.openWindow(t, 10, "NO_COLOR=1").await(t, `It has not answered since`)
	require.NotContains(t, plain, "\x1b[31m")
	dumb := h.openWindow(t, 10, "TERM=dumb")
	output := dumb.await(t, `(?s)It has not answered since.*\n-{40}\r\n.*It has not answered since`)
	require.NotContains(t, output, "\x1b")
	require.NotContains(t, dumb.interrupt(t, ""), "\x1b")
}

func TestWatchPrintsIntoAPipeUntilItIsClosed(t *testing.T) {
	h := newHost(t)
	h.startReady(t)
	c := agentCommand(t, "status", "-f", h.config, "--watch")
	output, err := c.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	require.NoError(t, c.Start())
	begin := make([]byte, 30)
	_, err = output.Read(begin)
	require.NoError(t, err)
	require.Regexp(t, `^\d\d:\d\d:\d\d, every 2s until`, string(begin))
	require.NoError(t, output.Close())
	require.Error(t, c.Wait(), "the next text has no reader")
	require.Empty(t, stderr.String())
}

func TestWatchRefusesWhatMakesNoSense(t *testing.T) {
	for says, args := range map[string][]string{
		"--watch is for people: use it without --json and --check":      {"--watch", "--json"},
		"--watch 0: write a whole number of seconds from 1 to 3600":     {"--watch", "0"},
		"--watch often: write a whole number of seconds from 1 to 3600": {"--watch", "often"},
		`unexpected argument "5"`:                                       {"5"},
	} {
		got := execute(t, append([]string{"status"}, args...)...)
		require.Equal(t, 2, got.code)
		require.Contains(t, got.stderr, "agent status: "+says+"\n")
	}
}
