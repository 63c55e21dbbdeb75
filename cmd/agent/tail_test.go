package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tailOf starts `agent tail` with these arguments. Its output is a pipe.
func (h *host) tailOf(t *testing.T, args ...string) (d *daemon, output *os.File) {
	t.Helper()
	d = &daemon{cmd: agentCommand(t, append([]string{"tail", "-f", h.config}, args...)...), stderr: new(bytes.Buffer), ended: make(chan struct{})}
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { read.Close() })
	d.cmd.Stdout, d.cmd.Stderr = write, d.stderr
	require.NoError(t, d.cmd.Start())
	require.NoError(t, write.Close())
	go func() {
		d.cmd.Wait() // the test looks at ProcessState
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill() // if it has not ended yet
		<-d.ended
	})
	return d, read
}

// post posts until the function says that it was seen.
func (h *host) postUntil(t *testing.T, body string, seen <-chan struct{}) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := http.Post("http://"+h.listen+"/post?ns=web.shop", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		defer response.Body.Close()
		content, _ := io.ReadAll(response.Body)
		require.Equal(t, 200, response.StatusCode, string(content))
		select {
		case <-seen:
			return true
		default:
			return false
		}
	}, 10*time.Second, 20*time.Millisecond)
}

func TestTailPrintsPointsUntilItIsInterrupted(t *testing.T) {
	h := newHost(t)
	h.startReady(t)
	for name, test := range map[string]struct {
		args []string
		line string
	}{
		"line protocol": {nil, `RUN.orders,host=h1,shop=a\,b value=7 1700000000`},
		"JSON":          {[]string{"--json", "--ns", "web.shop"}, `{"ns":"web.shop","name":"RUN.orders","tags":{"host":"h1","shop":"a,b"},"value":7,"time":1700000000}`},
	} {
		t.Run(name, func(t *testing.T) {
			d, output := h.tailOf(t, append(test.args, "RUN.ord*")...)
			lines := bufio.NewScanner(output)
			seen := make(chan struct{})
			go func() {
				lines.Scan()
				close(seen)
			}()
			h.postUntil(t, `[{"name":"other","value":1},{"name":"orders","tags":{"shop":"a,b"},"value":7,"timestamp":1700000000}]`, seen)
			require.Equal(t, test.line, lines.Text())
			require.NoError(t, d.cmd.Process.Signal(syscall.SIGINT))
			require.Equal(t, 0, d.exitCode(t), "%s", d.stderr)
		})
	}
}

func TestTailSaysWhatItLeftOutAndThatTheAgentHasStopped(t *testing.T) {
	h := newHost(t)
	agent := h.startReady(t)
	d, output := h.tailOf(t, "--rate", "1", "RUN")
	lines := bufio.NewScanner(output)
	seen := make(chan struct{})
	go func() {
		lines.Scan()
		lines.Scan() // a second later: the count is there, too
		close(seen)
	}()
	h.postUntil(t, `[{"name":"a","value":1},{"name":"b","value":1},{"name":"c","value":1}]`, seen)
	require.NoError(t, agent.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, agent.exitCode(t))
	require.Equal(t, 1, d.exitCode(t))
	require.Regexp(t, `^(agent tail: \d+ points were left out\n)+agent tail: the agent at `+h.listen+` has stopped or was restarted: call this again\n$`, d.stderr.String())
}

func TestTailEndsWithItsReader(t *testing.T) {
	h := newHost(t)
	h.startReady(t)
	d, output := h.tailOf(t, "RUN")
	seen := make(chan struct{})
	go func() {
		bufio.NewScanner(output).Scan()
		output.Close()
		<-d.ended
		close(seen)
	}()
	h.postUntil(t, `[{"name":"a","value":1}]`, seen)
	require.Empty(t, d.stderr.String())
}

func TestTailSaysWhatIsWrong(t *testing.T) {
	h := newHost(t)
	require.Equal(t, result{1, "", "agent tail: no agent answers at " + h.listen + ": start one (agent start), or name its config with -f\n"},
		execute(t, "tail", "-f", h.config))
	for says, args := range map[string][]string{
		`"[" is no pattern of names: a [ needs its ]`: {"["},
		"--rate 0: write a number from 1 to 1000":     {"--rate", "0"},
		`unexpected argument "b"`:                     {"a", "b"},
	} {
		got := execute(t, append([]string{"tail", "-f", h.config}, args...)...)
		require.Equal(t, 2, got.code)
		require.Contains(t, got.stderr, "agent tail: "+says+"\n")
	}
}

func TestTailNoticesAnAgentThatSaysNothing(t *testing.T) {
	for name, says := range map[string]string{"no answer": "", "nothing after a point": "event: left_out\ndata: {\"points\":3}\n\n"} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if says != "" {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, says)
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			}))
			defer server.Close()
			address := server.Listener.Addr().String()
			config := filepath.Join(t.TempDir(), "agent.conf")
			require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "agent.listen = %q\n", address), 0o600))
			var stdout, stderr bytes.Buffer
			err := tail(t.Context(), &call{stdout: &stdout, stderr: &stderr, config: config}, tailing{rate: 1, patience: 100 * time.Millisecond})
			require.EqualError(t, err, "the agent at "+address+" has said nothing for 100ms: it hangs, or cannot be reached any more")
			require.Equal(t, says != "", strings.Contains(stderr.String(), "3 points were left out"))
		})
	}
}
