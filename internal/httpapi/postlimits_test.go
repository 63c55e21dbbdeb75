package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestPostRefusesLargeBodiesWithoutHoldingThem(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	test := newAPITest(t)
	const size = 100 << 20
	var bomb bytes.Buffer
	writer := gzip.NewWriter(&bomb)
	_, err := io.Copy(writer, io.LimitReader(zeros{}, size))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	tiny := "[" + strings.Repeat(`{"name":"a","value":1},`, 1e6) + `{"name":"a","value":1}]`
	sixteen := 16 << 20 / len(`{"name":"a","value":1},`)

	for _, c := range []struct {
		name  string
		body  func() io.Reader
		gzip  bool
		sized int64
	}{
		{"100 MiB, announced", func() io.Reader { return io.LimitReader(zeros{}, size) }, false, size},
		{"100 MiB, chunked", func() io.Reader { return io.LimitReader(zeros{}, size) }, false, -1},
		{"gzip bomb", func() io.Reader { return bytes.NewReader(bomb.Bytes()) }, true, int64(bomb.Len())},
		{"a million tiny metrics", func() io.Reader { return strings.NewReader(tiny) }, false, int64(len(tiny))},
		{"as many tiny metrics as fit", func() io.Reader {
			return strings.NewReader("[" + strings.Repeat(`{"name":"a","value":1},`, sixteen-1) + `{"name":"a","value":1}]`)
		}, false, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			for range 2 {
				runtime.GC()
				runtime.ReadMemStats(&before)
				request := httptest.NewRequest("POST", "/post?ns=ns.one", c.body())
				request.ContentLength = c.sized
				request.Host = "localhost"
				if c.gzip {
					request.Header.Set("Content-Encoding", "gzip")
				}
				recorder := httptest.NewRecorder()
				test.server.Config.Handler.ServeHTTP(recorder, request)
				require.Equal(t, 413, recorder.Code, recorder.Body.String())
				runtime.ReadMemStats(&after)
				require.Less(t, after.HeapSys-min(before.HeapSys, after.HeapSys), uint64(200<<20))
			}
			runtime.GC() // a sync.Pool keeps its content for one more collection
			runtime.GC()
			runtime.ReadMemStats(&after)
			require.Less(t, after.HeapAlloc, before.HeapAlloc+4<<20, "nothing is held afterwards")
		})
	}
	require.Empty(t, test.output.posted("ns.one"))
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","value":1}]`).status)
}

func TestLargestBodyIsTakenAndOneByteMoreIsNot(t *testing.T) {
	const largest = 1 << 20
	test := newAPITest(t, agent.WithMaxBody(largest))
	metric := `[{"name":"a","value":1}]`
	for padding, status := range map[int]int{largest - len(metric): 200, largest - len(metric) + 1: 413} {
		body := metric + strings.Repeat(" ", padding)
		require.Equal(t, status, test.do(t, "POST", "/post?ns=ns.one", body).status, "announced")
		require.Equal(t, status, test.do(t, "POST", "/post?ns=ns.one", body, func(r *http.Request) { r.ContentLength = -1 }).status, "chunked")
		require.Equal(t, status, test.do(t, "POST", "/post?ns=ns.one", gzipped(t, []byte(body)), withHeader("Content-Encoding", "gzip")).status, "gzip")
	}
}

// Like Python's http.client, the callers here send all before they look for an answer.
func TestACallerWhoSendsAllFirstReadsWhyAPostIsRefused(t *testing.T) {
	const largest = 8 << 20
	test := newAPITest(t, agent.WithMaxBody(largest))
	for name, c := range map[string]struct {
		path, header string
		size, status int
	}{
		"one byte too large":  {"/post?ns=ns.one", "", largest + 1, 413},
		"twice the limit":     {"/post?ns=ns.one", "", 2 * largest, 413},
		"another's namespace": {"/post?ns=foreign", "", largest, 403},
		"an unknown encoding": {"/post?ns=ns.one", "Content-Encoding: br\r\n", largest, 415},
		"what is not gzip":    {"/post?ns=ns.one", "Content-Encoding: gzip\r\n", largest, 400},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", test.server.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n", c.path, c.header, c.size)
			require.NoError(t, err)
			_, err = io.CopyN(conn, zeros{}, int64(c.size))
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, c.status, response.StatusCode)
		})
	}
}

func TestABodyThatIsMuchTooLargeIsNotRead(t *testing.T) {
	test := newAPITest(t, agent.WithMaxBody(1<<20))
	for name, head := range map[string]string{
		"more than twice":     "Content-Length: 2097153\r\n",
		"sent when asked for": "Content-Length: 1048577\r\nExpect: 100-continue\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", test.server.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(conn, "POST /post?ns=ns.one HTTP/1.1\r\nHost: localhost\r\n"+head+"\r\n")
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, 413, response.StatusCode)
		})
	}
}

func TestPostTakesAFullBodyOfUsualMetrics(t *testing.T) {
	test := newAPITest(t)
	var body strings.Builder
	n := 0
	for separator := "["; body.Len() < 16<<20-200; separator = "," {
		fmt.Fprintf(&body, `%s{"name":"http.requests.count","timestamp":1700000000,"tags":{"path":"/api/v1/item%06d","code":"200"},"value":%d.25}`, separator, n, n)
		n++
	}
	body.WriteString("]")
	got := test.do(t, "POST", "/post?ns=ns.one", body.String())
	require.Equal(t, 200, got.status, got.body)
	require.Len(t, test.output.posted("ns.one"), n)
}

func TestOfLargeBodiesOneIsTakenAtATime(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*http.Request)
	}{{"of known length", func(*http.Request) {}}, {"of unknown length", func(r *http.Request) { r.ContentLength = -1 }}} {
		t.Run(c.name, func(t *testing.T) {
			test := newAPITest(t, agent.WithAPINamespaces("other"))
			hold := make(chan struct{})
			test.output.set(func(o *apiOutput) { o.hold = hold })
			body := "[" + strings.Repeat(`{"name":"a","tags":{"path":"/some/path/of/usual/length"},"value":1},`, 30000) + `{"name":"a","value":1}]`
			answers := make(chan answer, 8)
			for range cap(answers) {
				go func() { answers <- test.do(t, "POST", "/post?ns=ns.one", body, c.change) }()
			}
			for range cap(answers) - 1 {
				got := <-answers
				require.Equal(t, 503, got.status, got.body)
				require.NotEmpty(t, got.header.Get("Retry-After"))
				require.Contains(t, got.body, "Another body")
			}
			small := make(chan answer)
			go func() { small <- test.do(t, "POST", "/post?ns=other", `[{"name":"a","value":1}]`) }()
			close(hold)
			require.Equal(t, 200, (<-small).status, "small ones find room all the same")
			require.Equal(t, 200, (<-answers).status)
			require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", body, c.change).status, "the next one is taken")
		})
	}
}

func TestStuckOutputCostsBoundedMemoryAndIsToldWith503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := &apiOutput{hold: make(chan struct{})}
		a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(output), agent.WithHostname("h"), agent.WithMaxBody(1<<20), agent.WithAPINamespaces("ns"))
		require.NoError(t, err)
		handler := a.Handler()
		body := "[" + strings.Repeat(`{"name":"a","value":1},`, 999) + `{"name":"a","value":1}]`
		began := time.Now()
		var mu sync.Mutex
		answers := make(map[int]int)
		var posts sync.WaitGroup
		for range 1000 {
			posts.Go(func() {
				request := httptest.NewRequest("POST", "/post?ns=ns", strings.NewReader(body))
				request.Host = "localhost"
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, request)
				mu.Lock()
				defer mu.Unlock()
				answers[recorder.Code]++
				if recorder.Code == 503 {
					require.NotEmpty(t, recorder.Header().Get("Retry-After"))
				}
			})
		}
		synctest.Wait()
		mu.Lock()
		require.Greater(t, answers[503], 900, "beyond the memory that posts may take, the answer comes at once")
		mu.Unlock()
		posts.Wait()
		require.Equal(t, map[int]int{503: 1000}, answers)
		require.Less(t, time.Since(began), 30*time.Second)
		close(output.hold)

		request := httptest.NewRequest("POST", "/post?ns=ns", strings.NewReader(body))
		request.Host = "localhost"
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		require.Equal(t, 200, recorder.Code, "all recovers with the output")
	})
}

func TestPostOfACallerWhoLeftIsNotWrittenUnlessItIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := &apiOutput{hold: make(chan struct{})}
		a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(output), agent.WithHostname("h"))
		require.NoError(t, err)
		metrics := []agent.Metric{{Name: "a", Value: 1}}
		first, second := make(chan error, 1), make(chan error, 1)
		ctx, leave := context.WithCancel(t.Context())
		go func() { first <- a.Post(ctx, "ns", metrics) }()
		synctest.Wait()
		go func() { second <- a.Post(ctx, "ns", metrics) }()
		synctest.Wait()
		leave()
		require.ErrorIs(t, <-first, context.Canceled)
		require.ErrorIs(t, <-second, context.Canceled)
		close(output.hold)
		synctest.Wait()
		require.Len(t, output.posted("ns"), 1, "only the write that was under way")
		require.EqualValues(t, 1, a.Status().Accounts["ns"].Delivered)
	})
}

// pipeListener lets an HTTP server live in a synctest bubble.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error   { return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func TestSlowBodiesAreGivenUp(t *testing.T) {
	for path, status := range map[string]int{
		"/post":       http.StatusRequestTimeout,
		"/v1/metrics": http.StatusServiceUnavailable, // after which exporters send again
	} {
		t.Run(path, func(t *testing.T) { requireSlowBodiesAreGivenUp(t, path, status) })
	}
}

func requireSlowBodiesAreGivenUp(t *testing.T, path string, status int) {
	synctest.Test(t, func(t *testing.T) {
		output := &apiOutput{}
		a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(output), agent.WithHostname("h"), agent.WithAPINamespaces("ns"))
		require.NoError(t, err)
		listener := make(pipeListener)
		server := &http.Server{Handler: a.Handler()}
		go server.Serve(listener)
		defer server.Close()
		defer close(listener)
		began := time.Now()
		var slow sync.WaitGroup
		for range 200 {
			slow.Go(func() {
				client, conn := net.Pipe()
				defer client.Close()
				listener <- conn
				fmt.Fprintf(client, "POST %s?ns=ns HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n", path)
				sent := make(chan struct{})
				go func() { // a byte a second
					defer close(sent)
					for {
						if _, err := client.Write([]byte("[")); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				}()
				response, err := http.ReadResponse(bufio.NewReader(client), nil)
				require.NoError(t, err)
				require.Equal(t, status, response.StatusCode)
				client.Close()
				<-sent
			})
		}
		slow.Wait()
		require.Less(t, time.Since(began), 40*time.Second)
	})
}

func TestSmuggledRequestsAreRefused(t *testing.T) {
	test := newAPITest(t)
	for name, head := range map[string]string{
		"two lengths":                "Content-Length: 4\r\nContent-Length: 5\r\n",
		"negative length":            "Content-Length: -1\r\n",
		"signed length":              "Content-Length: +4\r\n",
		"unknown coding":             "Transfer-Encoding: chunked, identity\r\n",
		"coding twice":               "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"vertical tab in coding":     "Transfer-Encoding: \vchunked\r\n",
		"space before the colon":     "Content-Length : 4\r\n",
		"two hosts":                  "Host: localhost\r\n",
		"folded header":              "X: a\r\n b\r\n: c\r\n",
		"a bare carriage return":     "X: a\rContent-Length: 4\r\n",
		"a NUL":                      "X: a\x00\r\n",
		"a line that is not a field": "nothing\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", test.server.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(conn, "POST /post?ns=ns.one HTTP/1.1\r\nHost: localhost\r\n"+head+"\r\n0\r\n\r\nGET /update HTTP/1.1\r\nHost: localhost\r\n\r\n")
			require.NoError(t, err)
			reader := bufio.NewReader(conn)
			response, err := http.ReadResponse(reader, nil)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, response.Body)
			require.Contains(t, []int{400, 501}, response.StatusCode)
			_, err = http.ReadResponse(reader, nil)
			require.Error(t, err, "no second request is read from the connection")
		})
	}
}
