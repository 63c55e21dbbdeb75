package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALogWhoseReaderHasLeftCostsOnlyItsLines(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, pipe := range map[string]func(c *exec.Cmd) (io.ReadCloser, error){
		"standard error":  (*exec.Cmd).StderrPipe,
		"standard output": (*exec.Cmd).StdoutPipe,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.configure(t, "log.loglevel = \"DEBUG\"\n")
			config, err := os.ReadFile(h.config)
			require.NoError(t, err)
			h.write(t, "agent.conf", string(config)+"output.name = \"stdout\"\n")
			d := &daemon{cmd: agentCommand(t, "start", "-f", h.config), stderr: new(bytes.Buffer), ended: make(chan struct{})}
			reader, err := pipe(d.cmd)
			require.NoError(t, err)
			h.watch(t, d)
			require.NoError(t, reader.Close())

			// Enough is logged and measured to end a process that SIGPIPE ends.
			require.Eventually(t, func() bool {
				r := execute(t, "status", "-f", h.config)
				return r.code == 0 && strings.Contains(r.stdout, "CPU")
			}, 20*time.Second, 20*time.Millisecond)
			require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
			<-d.ended
			status := d.cmd.ProcessState.Sys().(syscall.WaitStatus)
			require.False(t, status.Signaled(), status)
		})
	}
}

// unread returns a pipe that is full and that nobody reads.
func unread(t *testing.T) *os.File {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { reader.Close(); writer.Close() })
	require.NoError(t, writer.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = writer.Write(make([]byte, 1<<20))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	return writer
}

func TestAReaderThatHangsCostsOnlyWhatItWasToRead(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	post := func(h *host) int {
		client := http.Client{Timeout: 5 * time.Second}
		answer, err := client.Post("http://"+h.listen+"/post?ns=web.shop", "application/json", strings.NewReader(`[{"name":"a","value":1}]`))
		require.NoError(t, err)
		answer.Body.Close()
		return answer.StatusCode
	}
	t.Run("standard error", func(t *testing.T) {
		h := newHost(t)
		h.configure(t, "log.loglevel = \"DEBUG\"\n")
		d := &daemon{cmd: agentCommand(t, "start", "-f", h.config), stderr: new(bytes.Buffer), ended: make(chan struct{})}
		d.cmd.Stderr = unread(t)
		h.watch(t, d)
		require.Eventually(t, func() bool { return post(h) == http.StatusOK }, 20*time.Second, 20*time.Millisecond)
		began := time.Now()
		require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
		require.Equal(t, 0, d.exitCode(t))
		require.Less(t, time.Since(began), 10*time.Second)
	})
	t.Run("standard output", func(t *testing.T) {
		h := newHost(t)
		config, err := os.ReadFile(h.config)
		require.NoError(t, err)
		h.write(t, "agent.conf", string(config)+"output.name = \"stdout\"\n")
		d := &daemon{cmd: agentCommand(t, "start", "-f", h.config), stderr: new(bytes.Buffer), ended: make(chan struct{})}
		d.cmd.Stdout, d.cmd.Stderr = unread(t), d.stderr
		h.watch(t, d)
		require.Eventually(t, func() bool {
			r := execute(t, "status", "-f", h.config)
			return strings.Contains(r.stdout, "nobody reads it")
		}, 20*time.Second, 20*time.Millisecond, "said by status")
		require.Equal(t, http.StatusServiceUnavailable, post(h))
		began := time.Now()
		require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
		d.exitCode(t)
		require.Less(t, time.Since(began), 10*time.Second)
	})
}
