package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func gzipped(t *testing.T, content []byte) string {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	_, err := writer.Write(content)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return buffer.String()
}

func withHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestPostTakesGzip(t *testing.T) {
	test := newAPITest(t)
	body := gzipped(t, []byte(`[{"name":"a","value":1}]`))
	got := test.do(t, "POST", "/post?ns=ns.one", body, withHeader("Content-Encoding", "gzip"))
	require.Equal(t, 200, got.status, got.body)
	require.Len(t, test.output.posted("ns.one"), 1)

	got = test.do(t, "POST", "/post?ns=ns.one", body[:len(body)-5], withHeader("Content-Encoding", "gzip"))
	require.Equal(t, 400, got.status, "cut off")
	got = test.do(t, "POST", "/post?ns=ns.one", "[]", withHeader("Content-Encoding", "gzip"))
	require.Equal(t, 400, got.status, "no gzip")
	got = test.do(t, "POST", "/post?ns=ns.one", body+strings.Repeat("\x00", 512), withHeader("Content-Encoding", "gzip"))
	require.Equal(t, 400, got.status)
	require.Contains(t, string(got.body), "Something that is not gzip follows the gzip data, such as zeros that fill a block")
	got = test.do(t, "POST", "/post?ns=ns.one", "[]", withHeader("Content-Encoding", "br"))
	require.Equal(t, 415, got.status)
	require.Equal(t, "gzip", got.header.Get("Accept-Encoding"))
	require.Len(t, test.output.posted("ns.one"), 1)
}

func TestPostTakesLineProtocol(t *testing.T) {
	test := newAPITest(t)
	got := test.do(t, "POST", "/post?ns=ns.one", "# a comment\nqueue,name=in value=7i,age=1.5 1700000000123456789\n\nup value=true\n",
		withHeader("Content-Type", "text/plain; charset=utf-8"))
	require.Equal(t, 200, got.status, got.body)
	metrics := test.output.posted("ns.one")
	require.Len(t, metrics, 3)
	host := "web1.example.org"
	require.Equal(t, agent.Metric{Name: "RUN.queue", Timestamp: 1700000000, Tags: map[string]string{"name": "in", "host": host}, Value: 7.0}, metrics[0])
	require.Equal(t, agent.Metric{Name: "RUN.queue.age", Timestamp: 1700000000, Tags: map[string]string{"name": "in", "host": host}, Value: 1.5}, metrics[1])
	require.Equal(t, true, metrics[2].Value)

	for _, body := range []string{"queue value=", "queue", "queue value=NaN", "queue value=1 2 3", "queue value=1e999", "qu\\ eue value=1", ",a=b value=1"} {
		got := test.do(t, "POST", "/post?ns=ns.one", "ok value=1\n"+body, withHeader("Content-Type", "text/plain"))
		require.Equal(t, 400, got.status, body)
		require.Contains(t, got.detail(t), "metric 1 ", body)
	}
	require.Len(t, test.output.posted("ns.one"), 3)
}

func TestByteOrderMarkIsSkipped(t *testing.T) {
	test := newAPITest(t)
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", "\ufeff"+`[{"name":"a","value":1}]`).status)
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", "\ufeffb value=1\n", withHeader("Content-Type", "text/plain")).status)
	metrics := test.output.posted("ns.one")
	require.Equal(t, "RUN.a", metrics[0].Name)
	require.Equal(t, "RUN.b", metrics[1].Name)
}

func TestWhatIsNoFiniteNumberIsABadMetric(t *testing.T) {
	test := newAPITest(t)
	for _, value := range []string{"NaN", "Infinity", "-Infinity"} { // as Python's json prints them
		got := test.do(t, "POST", "/post?ns=ns.one", `[{"name":"ok","value":1}, {"name": "bad", "value": `+value+`}]`)
		require.Equal(t, 400, got.status)
		require.Contains(t, got.detail(t), `metric 1 ("bad"): the value `+value+` cannot be stored`)
	}
}

func TestPostWithoutNamespaceGoesToTheOnlyOne(t *testing.T) {
	test := newAPITest(t)
	body := `[{"name":"a","value":1}]`
	require.Equal(t, 200, test.do(t, "POST", "/post", body).status)
	require.Len(t, test.output.posted("ns.one"), 1)

	test.registry.set(func(r *apiRegistry) { r.assignments = append(r.assignments, agent.Assignment{Namespace: "ns.two"}) })
	require.NoError(t, test.agent.Update(t.Context()))
	got := test.do(t, "POST", "/post", body)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.detail(t), "/post?ns=NAMESPACE")
}

func TestPostRefusesNamespacesThatNameNothing(t *testing.T) {
	test := newAPITest(t)
	for _, namespace := range []string{
		"a\nb", "a b", "a,b", "a=b", `a"b`, "a\x00b", "../../etc/passwd", "a/b", "ü", strings.Repeat("n", 256), "a;b", "a%", "\\", "a#b", "*",
	} {
		got := test.do(t, "POST", "/post?ns="+url.QueryEscape(namespace), `[{"name":"a","value":1}]`)
		require.Equal(t, 400, got.status, "%q", namespace)
		require.Contains(t, got.detail(t), "namespace")
	}
	for _, query := range []string{"ns=a&ns=b", "ns=%zz", "ns=a;ns=b"} {
		require.Equal(t, 400, test.do(t, "POST", "/post?"+query, `[{"name":"a","value":1}]`).status, query)
	}
}

func TestPostGoesToTheHostsNamespacesAndThoseThatTheConfigAllows(t *testing.T) {
	body := `[{"name":"a","value":1}]`
	test := newAPITest(t)
	got := test.do(t, "POST", "/post?ns=made.up", body)
	require.Equal(t, 403, got.status)
	require.Contains(t, got.detail(t), "api.namespaces")
	require.Empty(t, test.output.posted("made.up"))
	require.NotContains(t, test.agent.Status().Accounts, "made.up")
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", body).status)

	test = newAPITest(t, agent.WithAPINamespaces("shop.*", "one-[0-9]"))
	for namespace, status := range map[string]int{"ns.one": 200, "shop.web": 200, "one-7": 200, "shop": 403, "one-77": 403, "my.shop.web": 403, "shop.*": 400} {
		require.Equal(t, status, test.do(t, "POST", "/post?ns="+namespace, body).status, namespace)
	}
}

func TestPostIsToldToWaitUntilTheHostsNamespacesAreKnown(t *testing.T) {
	a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(&apiOutput{}), agent.WithHostname("h"), agent.WithAPINamespaces("shop.*"))
	require.NoError(t, err)
	for path, status := range map[string]int{"/post": 503, "/post?ns=ns.one": 503, "/post?ns=shop.web": 200} {
		recorder := httptest.NewRecorder()
		a.Handler().ServeHTTP(recorder, httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(`[{"name":"a","value":1}]`)))
		require.Equal(t, status, recorder.Code, path)
		require.Equal(t, status == 503, recorder.Header().Get("Retry-After") != "", path)
	}
}

func TestPostsCannotMakeUpNamespacesWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := &apiOutput{}
		a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(output), agent.WithHostname("h"), agent.WithAPINamespaces("*"))
		require.NoError(t, err)
		handler := a.Handler()
		post := func(namespace string) int {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest("POST", "http://localhost/post?ns="+namespace, strings.NewReader(`[{"name":"a","value":1}]`)))
			return recorder.Code
		}
		for i := range 1000 {
			require.Equal(t, 200, post(fmt.Sprintf("made.up.%d", i)))
		}
		require.Equal(t, 403, post("one.more"))
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, 200, post("made.up.5"), "known")
		require.Equal(t, 403, post("one.more"))
		time.Sleep(time.Second)
		require.Equal(t, 200, post("one.more"), "namespaces that nobody posts to make room")
		require.Equal(t, 200, post("made.up.5"))
	})
}

func TestPostRefusesBodiesThatAreNoMetrics(t *testing.T) {
	test := newAPITest(t)
	metric := func(value string) string { return `[{"name":"ok","value":1},{"name":"a","value":` + value + `}]` }
	for name, body := range map[string]string{
		"nothing":              "",
		"blanks":               " \n",
		"a form":               "name=a&value=1",
		"an object":            `{"name":"a","value":1}`,
		"null":                 `null`,
		"a number":             `1`,
		"no end":               `[{"name":"a","value":1}`,
		"something behind":     `[{"name":"a","value":1}] x`,
		"a second list":        `[{"name":"a","value":1}][]`,
		"NUL behind":           "[]\x00",
		"NaN":                  metric("NaN"),
		"nan":                  metric("nan"),
		"-NaN":                 metric("-NaN"),
		"Infinity":             metric("Infinity"),
		"-Infinity":            metric("-Infinity"),
		"+Inf":                 metric("+Inf"),
		"too large a number":   metric("1e999"),
		"too small a number":   metric("-1e999"),
		"hexadecimal":          metric("0x10"),
		"leading zero":         metric("01"),
		"leading point":        metric(".5"),
		"no value":             `[{"name":"a"}]`,
		"null value":           metric("null"),
		"list as value":        metric("[1]"),
		"object as value":      metric(`{"a":1}`),
		"no name":              `[{"value":1}]`,
		"null metric":          `[null]`,
		"number as name":       `[{"name":1,"value":1}]`,
		"number as tag":        `[{"name":"a","tags":{"port":80},"value":1}]`,
		"tags as list":         `[{"name":"a","tags":[],"value":1}]`,
		"text as timestamp":    `[{"name":"a","timestamp":"now","value":1}]`,
		"name twice":           `[{"name":"a","name":"b","value":1}]`,
		"value twice":          `[{"name":"a","value":1,"value":2}]`,
		"tag twice":            `[{"name":"a","tags":{"k":"1","k":"2"},"value":2}]`,
		"raw newline in name":  "[{\"name\":\"a\nb\",\"value\":1}]",
		"newline in name":      `[{"name":"a\nb","value":1}]`,
		"space in name":        `[{"name":"a b","value":1}]`,
		"comma in name":        `[{"name":"a,b","value":1}]`,
		"equals in name":       `[{"name":"a=b","value":1}]`,
		"quote in name":        `[{"name":"a\"b","value":1}]`,
		"NUL in name":          `[{"name":"a\u0000b","value":1}]`,
		"slash in name":        `[{"name":"../a","value":1}]`,
		"letters not of ASCII": `[{"name":"ä","value":1}]`,
		"invalid UTF-8 name":   "[{\"name\":\"a\xff\",\"value\":1}]",
		"deep nesting":         `[{"name":"a","x":` + strings.Repeat("[", 1e6) + strings.Repeat("]", 1e6) + `,"value":1}]`,
		"deeply nested list":   strings.Repeat("[", 1e6),
		"10 MiB tag":           `[{"name":"a","tags":{"k":"` + strings.Repeat("v", 10<<20) + `"},"value":1}]`,
		"10 MiB name":          `[{"name":"` + strings.Repeat("v", 10<<20) + `","value":1}]`,
		"10 MiB string":        metric(`"` + strings.Repeat("v", 10<<20) + `"`),
		"10 MiB number":        metric(strings.Repeat("9", 10<<20)),
		"10 MiB key":           `[{"` + strings.Repeat("v", 10<<20) + `":1}]`,
	} {
		got := test.do(t, "POST", "/post?ns=ns.one", body)
		require.Equal(t, 400, got.status, "%s: %s", name, got.body)
		detail := got.detail(t)
		require.Less(t, len(detail), 1000, name)
	}
	require.Empty(t, test.output.posted("ns.one"))
}

func TestPostTakesWhatItCanMakeSenseOf(t *testing.T) {
	test := newAPITest(t)
	got := test.do(t, "POST", "/post?ns=ns.one", "\t[{\"NAME\":\"a\",\"Timestamp\":1700000000.9,\"tags\":{\" rack \":\"a b\\n\xff\",\"none\":null,\"empty\":\"  \"},"+
		"\"value\":\"NaN\",\"unknown\":{\"x\":[1,2,{}]}},\n{\"name\":\"b\",\"timestamp\":1700000000123,\"value\":-0.0}]\r\n")
	require.Equal(t, 200, got.status, got.body)
	metrics := test.output.posted("ns.one")
	require.Equal(t, agent.Metric{Name: "RUN.a", Timestamp: 1700000000, Value: "NaN",
		Tags: map[string]string{"rack": "a-b-\uFFFD", "host": "web1.example.org"}}, metrics[0])
	require.InDelta(t, time.Now().Unix(), metrics[1].Timestamp, 5, "milliseconds are no seconds")
	require.True(t, math.Signbit(metrics[1].Value.(float64)))
}

func TestPostTellsWhatTheOutputWillNeverTake(t *testing.T) {
	test := newAPITest(t)
	test.output.set(func(o *apiOutput) { o.err = agent.Permanent(errors.New("ns.one makes no topic")) })
	got := test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","value":1}]`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.detail(t), "makes no topic")
}

func TestPostOfWhichTheOutputRefusesAPartIsTakenAndTellsWhich(t *testing.T) {
	test := newAPITest(t)
	test.output.set(func(o *apiOutput) {
		o.err = &agent.PermanentError{Reason: "too_large", Indexes: []int{1}, Err: errors.New("metric 1 is larger than a message may be")}
	})
	got := test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","value":1},{"name":"b","value":1},{"name":"c","value":1}]`)
	require.Equal(t, 200, got.status, "not to be sent again")
	require.JSONEq(t, `{"accepted":3,"refused":{"metrics":1,"reason":"too_large","indexes":[1],"error":"metric 1 is larger than a message may be"}}`, got.body)
	account := test.agent.Status().Accounts["ns.one"]
	require.Equal(t, agent.Account{Accepted: 3, Delivered: 2, Dropped: map[string]int64{"too_large": 1}}, account)
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestPostRefusesLargeBodiesWithoutHoldingThem(t *testing.T) {
	test := newAPITest(t)
	const size = 300 << 20
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
		{"300 MiB, announced", func() io.Reader { return io.LimitReader(zeros{}, size) }, false, size},
		{"300 MiB, chunked", func() io.Reader { return io.LimitReader(zeros{}, size) }, false, -1},
		{"gzip bomb", func() io.Reader { return bytes.NewReader(bomb.Bytes()) }, true, int64(bomb.Len())},
		{"a million tiny metrics", func() io.Reader { return strings.NewReader(tiny) }, false, int64(len(tiny))},
		{"as many tiny metrics as fit", func() io.Reader {
			return strings.NewReader("[" + strings.Repeat(`{"name":"a","value":1},`, sixteen-1) + `{"name":"a","value":1}]`)
		}, false, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			for range 3 {
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
				fmt.Fprint(client, "POST /post?ns=ns HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n")
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
				require.Equal(t, 408, response.StatusCode)
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
		"two lengths":             "Content-Length: 4\r\nContent-Length: 5\r\n",
		"negative length":         "Content-Length: -1\r\n",
		"signed length":           "Content-Length: +4\r\n",
		"unknown coding":          "Transfer-Encoding: chunked, identity\r\n",
		"coding twice":            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"vertical tab in coding":  "Transfer-Encoding: \vchunked\r\n",
		"space before the colon":  "Content-Length : 4\r\n",
		"two hosts":               "Host: localhost\r\n",
		"folded header":           "X: a\r\n b\r\n: c\r\n",
		"a bare carriage return":  "X: a\rContent-Length: 4\r\n",
		"a NUL":                   "X: a\x00\r\n",
		"a line that is no field": "nothing\r\n",
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
