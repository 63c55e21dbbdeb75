package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
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
	got = test.do(t, "POST", "/post?ns=ns.one", "[]", withHeader("Content-Encoding", "br"))
	require.Equal(t, 415, got.status)
	require.Equal(t, "gzip", got.header.Get("Accept-Encoding"))
	require.Len(t, test.output.posted("ns.one"), 1)
}

func TestWhatFollowsTheGzipDataOfAPost(t *testing.T) {
	test := newAPITest(t)
	body := gzipped(t, []byte(`[{"name":"a","value":1},`)) + gzipped(t, nil) + gzipped(t, []byte(`{"name":"b","value":1}]`))
	post := func(body string) answer {
		return test.do(t, "POST", "/post?ns=ns.one", body, withHeader("Content-Encoding", "gzip"))
	}
	for n := range 21 {
		require.Equal(t, 200, post(body+strings.Repeat("\x00", n)).status, "%d zeros", n)
		if n == 0 {
			continue
		}
		for name, tail := range map[string]string{
			"text":           strings.Repeat("x", n),
			"zeros and text": strings.Repeat("\x00", n-1) + "x",
			"a wrong header": "\x1f\x8b" + strings.Repeat("\xff", n+7),
			"zeros and gzip": strings.Repeat("\x00", n) + gzipped(t, nil),
		} {
			got := post(body + tail)
			require.Equal(t, 400, got.status)
			require.Contains(t, got.body, "Bytes that are not gzip follow the gzip data", "%s, %d", name, n)
		}
		got := post(body[:len(body)-n])
		require.Equal(t, 400, got.status)
		require.Contains(t, got.body, "did not arrive whole", "cut by %d", n)
	}
	require.Equal(t, 200, post(body+strings.Repeat("\x00", 100<<10)).status, "a block of zeros")
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
	got = test.do(t, "POST", "/post?ns=ns.one", "up value=1")
	require.Equal(t, 400, got.status)
	require.Contains(t, got.detail(t), "Line protocol needs Content-Type: text/plain.")
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
	require.InDelta(t, time.Now().Unix(), metrics[1].Timestamp, 5, "milliseconds are not seconds")
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
