package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/recent"
)

// measuring has a collector of one kind whose values are those of the function.
func measuring(value func() float64) agent.Option {
	return agent.WithCollector("CPU", time.Hour, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
		return []agent.Metric{{Name: "cpu.idle", Value: value()}, {Name: "cpu.model", Value: "a text"}}, nil
	}))
}

func TestPointsAreTheLastValues(t *testing.T) {
	test := newAPITest(t)
	for _, value := range []string{"1", "2"} {
		require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"b","value":`+value+`,"timestamp":1700000000},{"name":"a","value":"<script>","timestamp":1700000000}]`).status)
	}
	one := `{"ns":"ns.one","name":"RUN.a","tags":{"host":"web1.example.org"},"value":"<script>","time":1700000000}`
	two := `{"ns":"ns.one","name":"RUN.b","tags":{"host":"web1.example.org"},"value":2,"time":1700000000}`
	for query, points := range map[string]string{
		"":                         one + "," + two,
		"?match=RUN.b":             two,
		"?match=*.a&ns=ns.one":     one,
		"?match=RUN&limit=1":       one,
		"?ns=ns.other":             "",
		"?match=" + "RUN.%5Bab%5D": one + "," + two,
	} {
		got := test.do(t, "GET", "/me/points"+query, "")
		require.JSONEq(t, `{"series":2,"limit":10000,"left_out":0,"points":[`+points+`]}`, got.body, query)
	}
}

func TestHistoryIsOfTheHostsOwnMeasurements(t *testing.T) {
	began := time.Now().Unix()
	test := newAPITest(t, measuring(func() float64 { return 97.5 }))
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"b","value":1}]`).status)
	var got struct {
		Series []struct {
			Name            string
			Tags            map[string]string
			Interval, Start int64
			Values          []*float32
		}
	}
	require.Eventually(t, func() bool {
		require.NoError(t, json.Unmarshal([]byte(test.do(t, "GET", "/me/history", "").body), &got))
		return len(got.Series) > 0
	}, 5*time.Second, time.Millisecond)
	require.Len(t, got.Series, 1, "a text has no history, and neither has a post")
	require.Equal(t, "cpu.idle", got.Series[0].Name)
	require.EqualValues(t, 3600, got.Series[0].Interval)
	require.InDelta(t, began, got.Series[0].Start, 10)
	require.EqualValues(t, 97.5, *got.Series[0].Values[0])
	require.JSONEq(t, `{"series":[]}`, test.do(t, "GET", "/me/history?match=mem", "").body)
}

func TestWrongParametersAreNamed(t *testing.T) {
	test := newAPITest(t)
	for path, says := range map[string]string{
		"/me/points?match=%5B":         `Wrong parameter match: "[" is no pattern of names: a [ needs its ].`,
		"/me/points?limit=0":           `Wrong parameter limit: "0" is not a whole number from 1 to 10000.`,
		"/me/history?match=a&match=b":  `The parameter match is given more than once.`,
		"/me/stream?rate=many":         `Wrong parameter rate: "many" is not a whole number from 1 to 1000.`,
		"/me/stream?status=1":          `Wrong parameter status: "1" is not a whole number from 2 to 60.`,
		"/me/stream?match=%5Ba&rate=5": `Wrong parameter match: "[a" is no pattern of names: a [ needs its ].`,
	} {
		got := test.do(t, "GET", path, "")
		require.Equal(t, 400, got.status, path)
		require.Equal(t, says, got.detail(t))
	}
}

func TestWithoutThePageNothingIsRemembered(t *testing.T) {
	test := newAPITest(t, agent.WithoutPage(), measuring(func() float64 { return 1 }))
	for _, path := range []string{"/me/points", "/me/history"} {
		got := test.do(t, "GET", path, "")
		require.Equal(t, 404, got.status)
		require.Contains(t, got.detail(t), "set api.page to true")
	}
	events := test.follow(t, "?match=RUN")
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","value":1}]`).status)
	require.Equal(t, "point", events.next(t).name, "who reads what passes now still does")
}

// event is a server-sent one.
type event struct{ name, data string }

// events are those of a stream.
type events struct{ lines *bufio.Scanner }

// next returns the next event, or one without a name where the stream has ended.
func (e events) next(t *testing.T) (got event) {
	t.Helper()
	for e.lines.Scan() {
		field, value, _ := strings.Cut(e.lines.Text(), ": ")
		switch {
		case field == "event":
			got.name = value
		case field == "data":
			got.data = value
		case field == "" && got.name != "":
			return got
		}
	}
	return event{}
}

// follow reads a stream that the agent has begun.
func (test *apiTest) follow(t *testing.T, query string) events {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, "GET", test.server.URL+"/me/stream"+query, nil)
	require.NoError(t, err)
	response, err := test.server.Client().Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	require.Equal(t, 200, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	return events{bufio.NewScanner(response.Body)}
}

func TestAStreamHasThePointsAsTheyPass(t *testing.T) {
	test := newAPITest(t)
	events := test.follow(t, "?match=RUN.b&ns=ns.one&rate=2&status=60")
	status := events.next(t)
	require.Equal(t, "status", status.name)
	require.Contains(t, status.data, `"hostname":"web1.example.org"`)
	post := `[{"name":"a","value":1},{"name":"b","value":"line\nbreak","timestamp":1700000000}]`
	for range 5 {
		require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", post).status)
	}
	got := events.next(t)
	require.Equal(t, "point", got.name)
	require.JSONEq(t, `{"ns":"ns.one","name":"RUN.b","tags":{"host":"web1.example.org"},"value":"line\nbreak","time":1700000000}`, got.data)
	for got.name == "point" {
		got = events.next(t)
	}
	require.Equal(t, "left_out", got.name)
	require.Regexp(t, `^{"points":[1-3]}$`, got.data)
}

func TestStreamsEndWhenTheAgentStops(t *testing.T) {
	output := &apiOutput{}
	a, err := agent.New(agent.WithRegistry(agent.StaticRegistry("ns.one")), agent.WithOutput(output))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	<-a.Ready()
	test := &apiTest{agent: a, output: output, described: describedAPI(t)}
	test.server = httptest.NewServer(a.Handler())
	t.Cleanup(test.server.Close)
	events := test.follow(t, "")
	stop()
	require.NoError(t, <-ended)
	for got := events.next(t); got.name != ""; got = events.next(t) {
		require.NotEqual(t, "left_out", got.name)
	}
	got := test.do(t, "GET", "/me/stream", "")
	require.Equal(t, 503, got.status)
	require.Equal(t, "The agent stops: try again in a few seconds.", got.detail(t))
}

func TestReadersWhoNeverReadAreBoundedAndSlowNobody(t *testing.T) {
	test := newAPITest(t)
	const callers = 1000
	answers := make(chan string, callers)
	for range callers {
		conn, err := net.Dial("tcp", test.server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = fmt.Fprintf(conn, "GET /me/stream?rate=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		go func() {
			line, _ := bufio.NewReaderSize(conn, 16).ReadString('\n') // and then nothing any more
			answers <- strings.TrimSpace(line)
		}()
	}
	counts := make(map[string]int)
	for range callers {
		counts[<-answers]++
	}
	require.Equal(t, map[string]int{"HTTP/1.1 200 OK": recent.MaxReaders, "HTTP/1.1 503 Service Unavailable": callers - recent.MaxReaders}, counts)
	long, padding := strings.Repeat("x", 60_000), strings.Repeat(" ", 1<<20)
	before := heap()
	for i := range 200 { // more than the sockets hold
		began := time.Now()
		require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","value":"`+long+`"}]`).status)
		if i%4 == 0 {
			require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","tags":{"key":"value"},"value":1}`+padding+`]`).status)
		}
		require.Less(t, time.Since(began), 5*time.Second)
		test.output.set(func(o *apiOutput) { o.batches = nil }) // it keeps them all
	}
	require.Less(t, heap()-min(before, heap()), uint64(32<<20), "60 MiB were posted")
}

// heap returns the bytes that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestTheHostsMeasurementsAreGauges(t *testing.T) {
	test := newAPITest(t, agent.WithTags(map[string]string{"data-centre": `f"1`}),
		agent.WithMeasurements(func() []agent.Measurement {
			return []agent.Measurement{{Kind: "CPU", Name: "cpu.idle", Unit: "%", Meaning: "time without work"}}
		}),
		agent.WithCollector("CPU", time.Hour, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			return []agent.Metric{
				{Name: "cpu.idle", Tags: map[string]string{"core": "1"}, Value: 97.5},
				{Name: "cpu.idle", Tags: map[string]string{"core": "0"}, Value: 3},
				{Name: "0.own", Value: true}, {Name: "0.own", Value: 2}, {Name: "text", Value: "x"},
			}, nil
		})))
	var got answer
	require.Eventually(t, func() bool {
		got = test.do(t, "GET", "/metrics/host", "")
		return got.body != ""
	}, 5*time.Second, time.Millisecond)
	require.Equal(t, `# HELP _0_own The measurement 0.own.
# TYPE _0_own gauge
_0_own{data_centre="f\"1",host="web1.example.org"} 2
# HELP cpu_idle In %: time without work.
# TYPE cpu_idle gauge
cpu_idle{core="0",data_centre="f\"1",host="web1.example.org"} 3
cpu_idle{core="1",data_centre="f\"1",host="web1.example.org"} 97.5
`, got.body)
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", got.header.Get("Content-Type"))
}
