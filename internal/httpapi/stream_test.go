package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// pipes is a listener for the far ends of pipes, whose time is that of the test.
type pipes struct {
	conns chan net.Conn
	net.Listener
}

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p.conns
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error { return nil }

// inBubble opens a stream of an agent in a bubble of time, and returns what its
// reader gets and how to post a point.
func inBubble(t *testing.T, query string) (reader *bufio.Reader, post func()) {
	t.Helper()
	discard := agent.OutputFunc(func(context.Context, agent.Batch) error { return nil })
	a, err := agent.New(agent.WithRegistry(agent.StaticRegistry("ns")), agent.WithOutput(discard), agent.WithAPINamespaces("ns"))
	require.NoError(t, err)
	on := pipes{conns: make(chan net.Conn)}
	server := &http.Server{Handler: a.Handler()}
	go server.Serve(on)
	near, far := net.Pipe()
	on.conns <- far
	t.Cleanup(func() {
		close(on.conns)
		near.Close()
		server.Close()
	})
	_, err = fmt.Fprintf(near, "GET /me/stream%s HTTP/1.0\r\nHost: localhost\r\n\r\n", query)
	require.NoError(t, err)
	reader = bufio.NewReader(near)
	for line := ""; line != "\r\n"; {
		line, err = reader.ReadString('\n')
		require.NoError(t, err)
	}
	return reader, func() {
		recorder := httptest.NewRecorder()
		a.Handler().ServeHTTP(recorder, httptest.NewRequest("POST", "http://localhost/post?ns=ns", strings.NewReader(`[{"name":"a","value":1}]`)))
		require.Equal(t, 200, recorder.Code, recorder.Body)
	}
}

// nextLine returns the next line that is not empty.
func nextLine(t *testing.T, reader *bufio.Reader) string {
	t.Helper()
	for {
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
}

func TestAStreamWaitsTenSecondsForItsReader(t *testing.T) {
	for late, ends := range map[time.Duration]bool{9 * time.Second: false, 11 * time.Second: true} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reader, post := inBubble(t, "")
				require.Equal(t, ":", nextLine(t, reader))
				_, _ = reader.Discard(reader.Buffered())
				post()
				time.Sleep(late)
				rest := make(chan string, 1)
				go func() {
					all, _ := io.ReadAll(reader) // until the test ends
					rest <- string(all)
				}()
				synctest.Wait()
				select {
				case text := <-rest:
					require.True(t, ends, "the stream has ended with %q", text)
					require.NotContains(t, text, "RUN.a")
				default:
					require.False(t, ends, "the stream goes on")
				}
			})
		})
	}
}

func TestAStreamSaysSomethingEveryFifteenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, post := inBubble(t, "")
		began := time.Now()
		for _, after := range []time.Duration{0, 15 * time.Second, 30 * time.Second} {
			require.Equal(t, ":", nextLine(t, reader))
			require.Equal(t, after, time.Since(began))
		}
		time.Sleep(5 * time.Second)
		post()
		require.Equal(t, "event: point", nextLine(t, reader))
		require.Contains(t, nextLine(t, reader), "RUN.a")
		require.Equal(t, ":", nextLine(t, reader))
		require.Equal(t, 50*time.Second, time.Since(began), "a point is something, too")
	})
}

func TestAStreamHasTheStatusAtOnceAndThenEverySoOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, _ := inBubble(t, "?status=7")
		began := time.Now()
		for _, after := range []time.Duration{0, 7 * time.Second, 14 * time.Second} {
			line := nextLine(t, reader)
			for line == ":" {
				line = nextLine(t, reader)
			}
			require.Equal(t, "event: status", line)
			require.Equal(t, after, time.Since(began))
			require.Contains(t, nextLine(t, reader), `data: {`)
		}
	})
}

// FuzzStreamQuery opens streams with any parameters. Each is opened or refused with
// a sentence.
func FuzzStreamQuery(f *testing.F) {
	for _, query := range []string{"", "ns=web&match=cpu&rate=5&status=10", "match=[", "match=%5Ba-", "rate=-1", "rate=99999999999999999999", "status=2&status=3", "%zz", "match=" + strings.Repeat("*a", 200)} {
		f.Add(query)
	}
	a, err := agent.New(agent.WithRegistry(agent.StaticRegistry("ns")), agent.WithOutput(&apiOutput{}))
	require.NoError(f, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // a stream ends at once
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/me/stream", "/me/points", "/me/history"} {
			request := httptest.NewRequestWithContext(ctx, "GET", "http://localhost"+path, nil)
			request.URL = &url.URL{Path: path, RawQuery: query}
			recorder := httptest.NewRecorder()
			a.Handler().ServeHTTP(recorder, request)
			if recorder.Code != 200 {
				require.Equal(t, 400, recorder.Code, recorder.Body)
				require.NotEmpty(t, answer{recorder.Code, recorder.Header(), recorder.Body.String()}.detail(t))
			}
		}
	})
}
