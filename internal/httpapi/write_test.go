package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// influxWrites are the addresses to write to, with the namespace ns.one.
var influxWrites = []string{"/write?db=ns.one", "/api/v2/write?org=o&bucket=ns.one"}

// influxError returns the message of an error in the form of InfluxDB 1 or 2.
func (a answer) influxError(t *testing.T) string {
	t.Helper()
	var said struct{ Error, Code, Message string }
	require.Equal(t, "application/json", a.header.Get("Content-Type"), a.body)
	require.NoError(t, json.Unmarshal([]byte(a.body), &said), a.body)
	if said.Code != "" {
		require.NotEmpty(t, said.Message)
		return said.Message
	}
	require.NotEmpty(t, said.Error)
	require.NotEmpty(t, a.header.Get("X-Influxdb-Version"))
	require.Equal(t, said.Error, a.header.Get("X-Influxdb-Error"))
	return said.Error
}

func TestWriteTakesLineProtocol(t *testing.T) {
	for _, path := range influxWrites {
		test := newAPITest(t)
		body := "# a comment\nqueue,name=in value=7i,age=1.5 1700000000123456789\n\nup value=true\n"
		got := test.do(t, "POST", path, body)
		require.Equal(t, 204, got.status, got.body)
		require.Empty(t, got.body)
		got = test.do(t, "POST", path, gzipped(t, []byte("state value=\"ok\"")), withHeader("Content-Encoding", "gzip"))
		require.Equal(t, 204, got.status, got.body)

		metrics := test.output.posted("ns.one")
		require.Len(t, metrics, 4)
		tags := map[string]string{"name": "in", "host": "web1.example.org"}
		require.Equal(t, agent.Metric{Name: "RUN.queue", Timestamp: 1700000000, Tags: tags, Value: 7.0}, metrics[0])
		require.Equal(t, agent.Metric{Name: "RUN.queue.age", Timestamp: 1700000000, Tags: tags, Value: 1.5}, metrics[1])
		require.Equal(t, "RUN.up", metrics[2].Name)
		require.Equal(t, "ok", metrics[3].Value)
		require.Equal(t, agent.Account{Accepted: 4, Delivered: 4}, test.agent.Status().Accounts["ns.one"])
	}
}

func TestPrecisionIsTheUnitOfTimestamps(t *testing.T) {
	test := newAPITest(t)
	for precision, stamp := range map[string]int64{
		"": 1700000040000000000, "n": 1700000040000000000, "ns": 1700000040000000000, "u": 1700000040000000, "us": 1700000040000000,
		"µs": 1700000040000000, "ms": 1700000040000, "s": 1700000040, "m": 28333334,
	} {
		for _, path := range influxWrites {
			test.output.set(func(o *apiOutput) { o.batches = nil })
			got := test.do(t, "POST", path+"&precision="+precision, fmt.Sprintf("a value=1 %d", stamp))
			require.Equal(t, 204, got.status, got.body)
			require.Equal(t, int64(1700000040), test.output.posted("ns.one")[0].Timestamp, precision)
		}
	}
	for _, path := range influxWrites {
		test.output.set(func(o *apiOutput) { o.batches = nil })
		require.Equal(t, 204, test.do(t, "POST", path+"&precision=h", "a value=1 472222\nb value=1 9223372036854775807").status)
		metrics := test.output.posted("ns.one")
		require.Equal(t, int64(472222*3600), metrics[0].Timestamp)
		require.InDelta(t, time.Now().Unix(), metrics[1].Timestamp, 5, "beyond all times")

		got := test.do(t, "POST", path+"&precision=d", "a value=1 1")
		require.Equal(t, 400, got.status)
		require.Contains(t, got.influxError(t), `Wrong parameter precision: "d"`)
	}
}

func TestWriteTakesGoodLinesBesideBadOnes(t *testing.T) {
	test := newAPITest(t)
	for _, path := range influxWrites {
		for _, line := range []string{"queue value=", "queue", "queue value=NaN", "qu\\ eue value=1", ",a=b value=1", "queue,time=1 value=1"} {
			test.output.set(func(o *apiOutput) { o.batches = nil })
			got := test.do(t, "POST", path, "ok value=1\n"+line+"\nlast value=2\n"+line)
			require.Equal(t, 400, got.status, line)
			require.Regexp(t, `^partial write: unable to parse: metric 1 .* dropped=2$`, got.influxError(t))
			require.Len(t, test.output.posted("ns.one"), 2, line)

			got = test.do(t, "POST", path, line)
			require.Equal(t, 400, got.status, line)
			require.Regexp(t, `^unable to parse: metric 0 .*No metric of the body was accepted\.$`, got.influxError(t))
			require.Len(t, test.output.posted("ns.one"), 2, line)
		}
		require.Equal(t, 204, test.do(t, "POST", path, "").status, "an empty batch")
		require.Equal(t, 204, test.do(t, "POST", path, "# nothing\n").status)
	}
}

func TestErrorsOfWritesHaveTheFormOfInfluxDB(t *testing.T) {
	test := newAPITest(t, agent.WithMaxBody(2000))
	for i, path := range influxWrites {
		one := i == 0
		form := func(code, message string) string {
			if one {
				return fmt.Sprintf(`{"error":%q}`, message)
			}
			return fmt.Sprintf(`{"code":%q,"message":%q}`, code, message)
		}
		require.JSONEq(t, form("request too large", "The body is larger than 2000 bytes: send it in parts, or raise api.maxbody."),
			test.do(t, "POST", path, strings.Repeat("# nothing\n", 300)).body)
		got := test.do(t, "POST", path, "a value=1", withHeader("Content-Encoding", "br"))
		require.Equal(t, 415, got.status)
		require.JSONEq(t, form("unsupported media type", `The Content-Encoding "br" is not known: send gzip or none.`), got.body)

		got = test.do(t, "POST", strings.Replace(path, "ns.one", "other", 1), "a value=1")
		require.Equal(t, 403, got.status)
		require.Contains(t, got.influxError(t), "api.namespaces")
		got = test.do(t, "POST", path, "a value=1", withHeader("Origin", "http://evil.test"))
		require.Equal(t, 403, got.status)
		require.Contains(t, got.influxError(t), "for another site")
		got = test.do(t, "DELETE", path, "")
		require.Equal(t, 405, got.status)
		require.Contains(t, got.influxError(t), "Use GET or POST")
		got = test.do(t, "POST", strings.Replace(path, "ns.one", "n%20s", 1), "a value=1")
		require.Equal(t, 400, got.status)
		require.Regexp(t, `^Wrong parameter (db|bucket): `, got.influxError(t))

		test.output.set(func(o *apiOutput) { o.err = errors.New("no server answers") })
		got = test.do(t, "POST", path, "a value=1")
		require.Equal(t, 503, got.status)
		require.Equal(t, "5", got.header.Get("Retry-After"))
		require.Contains(t, got.influxError(t), "no server answers")
		test.output.set(func(o *apiOutput) { o.err = nil })
	}
	require.Contains(t, test.do(t, "GET", "/metrics", "").body, `lodastack_agent_http_answers_total{path="/write",code="503"} 1`)
}

func TestWriteOfWhichTheOutputRefusesAPartIsAPartialWrite(t *testing.T) {
	test := newAPITest(t)
	test.output.set(func(o *apiOutput) {
		o.err = &agent.PermanentError{Reason: "too_large", Indexes: []int{1}, Err: errors.New("metric 1 is too large")}
	})
	for i, path := range influxWrites {
		got := test.do(t, "POST", path, "a value=1\nb value=2\nc value=3")
		require.Equal(t, []int{400, 422}[i], got.status)
		require.Equal(t, "partial write: metric 1 is too large dropped=1", got.influxError(t))
	}
}

func TestNamespaceOfAWriteMayBeLeftOutIfTheHostHasOne(t *testing.T) {
	test := newAPITest(t, agent.WithAPINamespaces("other"))
	for _, path := range []string{"/write", "/api/v2/write"} {
		require.Equal(t, 204, test.do(t, "POST", path, "a value=1").status)
	}
	require.Len(t, test.output.posted("ns.one"), 2)
	require.Equal(t, 204, test.do(t, "POST", "/write?db=other&rp=autogen&u=root&p=secret", "a value=1").status)
	require.Len(t, test.output.posted("other"), 1)
	got := test.do(t, "POST", "/write?db=a&db=b", "a value=1")
	require.Equal(t, 400, got.status)
	require.Contains(t, got.influxError(t), "more than once")
}

func TestHealthOfInfluxDBIsThatOfTheAgent(t *testing.T) {
	test := newAPITest(t)
	got := test.do(t, "GET", "/health", "")
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `{"name":"agent","message":"ready for writes","status":"pass"}`, got.body)
	for _, method := range []string{"GET", "HEAD", "POST"} {
		got := test.do(t, method, "/ping", "")
		require.Equal(t, 204, got.status)
		require.Equal(t, "1.8.10", got.header.Get("X-Influxdb-Version"))
	}
}

func TestAuditLogSaysWhereARefusedWriteWentAndNotWithWhichPassword(t *testing.T) {
	log := &auditLog{}
	test := newAPITest(t, agent.WithAuditLog(log))
	test.do(t, "POST", "/write?db=other&u=root&p=secret", "a value=1")
	test.do(t, "POST", "/api/v2/write?bucket=other&org=o", "a value=1", withHeader("Authorization", "Token secret"))
	lines := log.take(t)
	require.Len(t, lines, 2)
	require.Equal(t, "POST /write?db=other (other parameters: 2)", lines[0]["what"])
	require.Equal(t, "POST /api/v2/write?bucket=other (other parameters: 1)", lines[1]["what"])
	require.NotContains(t, fmt.Sprint(lines), "secret")
}
