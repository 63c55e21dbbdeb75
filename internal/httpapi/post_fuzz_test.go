package httpapi_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lineproto"
)

// FuzzPost posts bodies of both kinds. Whatever is taken must be line protocol
// that the reference decoder reads back as it was.
func FuzzPost(f *testing.F) {
	for _, body := range []string{
		`[{"name":"a","tags":{"k":"v"},"value":1},{"name":"b","value":"x\\y\"z"},{"name":"c","value":true}]`,
		`[{"name":"a","tags":{"k\\":"v\\"," k,= ":"a b,c=d\\\\","\u0000":"\u2028","x":""},"value":-1e-300}]`,
		"[{\"name\":\"a\",\"tags\":{\"\xff\":\"\xfe\\ud800\"},\"value\":\"\xfd\\n\\u0000\\\\\"}]",
		`[{"name":"a","tags":{"host":"other","Host":"x"},"timestamp":9999999999,"value":1}]`,
		`[{"name":"a","tags":{"a b":"1","a-b":"2","time":"x","_field":"y"},"value":0}]`,
		`[{"name":"#a","value":1}]`, `[{"name":"_","value":""}]`,
	} {
		f.Add(body, false)
	}
	for _, body := range []string{
		"a,k=v value=1i 1700000000000000000\nb value=\"x\\\"y\\\\\"\n", "a\\ b,k\\ \\,\\==\\\\v\\  value=t", "a value=1,x=2u,y=F,z=\"\" 5",
		"a,k=\\ value=1", "# c\n\n a value=-0.0", "a,host=x value=1e300 -1", "a value=\"\n\r\t\"",
	} {
		f.Add(body, true)
	}
	output := &apiOutput{}
	a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(output), agent.WithHostname("web1"), agent.WithAPINamespaces("ns"))
	require.NoError(f, err)
	handler := a.Handler()
	f.Fuzz(func(t *testing.T, body string, lines bool) {
		output.set(func(o *apiOutput) { o.batches = nil })
		request := httptest.NewRequest("POST", "/post?ns=ns", strings.NewReader(body))
		request.Host = "localhost"
		if lines {
			request.Header.Set("Content-Type", "text/plain")
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if recorder.Code != 200 {
			require.Equal(t, 400, recorder.Code, recorder.Body.String())
			require.Empty(t, output.posted("ns"))
			return
		}
		requireValidLines(t, output.posted("ns"))
	})
}

// FuzzWrite writes line protocol with timestamps in some unit, and requires what FuzzPost does, but
// that good lines are taken beside bad ones.
func FuzzWrite(f *testing.F) {
	for _, body := range []string{"a,k=v value=1i 1700000000000000000\nb value=\"x\"\n", "a value=1 472222\r\nb x=2u,y=F 9223372036854775807", "a value=1 -9223372036854775808", "a", ""} {
		for _, precision := range []string{"", "ns", "us", "ms", "s", "m", "h", "d"} {
			f.Add(body, precision, false)
		}
		f.Add(body, "s", true)
	}
	output := &apiOutput{}
	a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(output), agent.WithHostname("web1"), agent.WithAPINamespaces("ns"))
	require.NoError(f, err)
	handler := a.Handler()
	f.Fuzz(func(t *testing.T, body, precision string, gzip bool) {
		for _, path := range []string{"/write?db=ns&precision=", "/api/v2/write?bucket=ns&precision="} {
			output.set(func(o *apiOutput) { o.batches = nil })
			request := httptest.NewRequest("POST", path+url.QueryEscape(precision), strings.NewReader(body))
			request.Host = "localhost"
			if gzip {
				request.Header.Set("Content-Encoding", "gzip")
			}
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			if recorder.Code != 204 {
				require.Equal(t, 400, recorder.Code, recorder.Body.String())
				require.True(t, json.Valid(recorder.Body.Bytes()))
				partly := strings.Contains(recorder.Body.String(), `"partial write: unable to parse: `)
				require.Equal(t, partly, len(output.posted("ns")) > 0, recorder.Body.String())
			}
			requireValidLines(t, output.posted("ns"))
		}
	})
}

// requireValidLines encodes as the output to NSQ does, and decodes.
func requireValidLines(t *testing.T, metrics []agent.Metric) {
	t.Helper()
	var encoder lineproto.Encoder
	var text []byte
	for _, m := range metrics {
		var err error
		text, err = encoder.AppendPoint(text, m.Name, m.Tags, m.Value, m.Timestamp)
		require.NoError(t, err, "%#v", m)
	}
	decoder := lineprotocol.NewDecoderWithBytes(text)
	for _, m := range metrics {
		require.True(t, decoder.Next(), "%q", text)
		name, err := decoder.Measurement()
		require.NoError(t, err, "%q", text)
		require.Equal(t, m.Name, string(name))
		tags := map[string]string{}
		for {
			key, value, err := decoder.NextTag()
			require.NoError(t, err, "%q", text)
			if key == nil {
				break
			}
			tags[string(key)] = string(value)
		}
		require.Len(t, tags, len(m.Tags)) // lineproto's own tests say which characters are replaced
		require.NotEmpty(t, tags["host"], "a post's own or the agent's")
		key, value, err := decoder.NextField()
		require.NoError(t, err, "%q", text)
		require.Equal(t, "value", string(key))
		require.Equal(t, withoutReturns(m.Value), withoutReturns(value.Interface()))
		key, _, err = decoder.NextField()
		require.NoError(t, err)
		require.Nil(t, key)
		stamp, err := decoder.Time(lineprotocol.Second, time.Time{})
		require.NoError(t, err)
		require.Equal(t, m.Timestamp, stamp.Unix())
	}
	require.False(t, decoder.Next())
}

// withoutReturns returns a value with blanks for the characters of a text that
// line protocol cannot hold in every dialect.
func withoutReturns(value any) any {
	if text, ok := value.(string); ok {
		return strings.NewReplacer("\f", " ", "\r", " ").Replace(text)
	}
	return value
}
