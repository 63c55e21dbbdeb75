package nsqoutput

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lineproto"
)

func newPacker(f string, maxMessage int) *packer {
	return &packer{format: newFormat(f), maxMessage: maxMessage, limits: sizes{message: maxMessage, body: maxBodySize}}
}

func points(n int) []agent.Metric {
	metrics := make([]agent.Metric, n)
	for i := range metrics {
		metrics[i] = agent.Metric{Name: fmt.Sprintf("m%d", i), Timestamp: 1500000000, Value: 1.5,
			Tags: map[string]string{"host": "web-1.example.com", "interface": "eth0", "rack": "r17"}}
	}
	return metrics
}

// unpack returns the messages of a request's body, as nsqd reads it.
func unpack(t *testing.T, body []byte) []string {
	t.Helper()
	count := binary.BigEndian.Uint32(body)
	body = body[4:]
	var messages []string
	for range count {
		size := binary.BigEndian.Uint32(body)
		messages = append(messages, string(body[4:4+size]))
		body = body[4+size:]
	}
	require.Empty(t, body)
	return messages
}

func TestPackFillsEachMessageAsFarAsItGoes(t *testing.T) {
	for _, format := range []string{Influx, JSON} {
		t.Run(string(format), func(t *testing.T) {
			const limit = 1 << 10
			var refused refusals
			p := newPacker(format, limit)
			require.Equal(t, 500, p.pack("collect.ns", points(500), &refused))
			require.Zero(t, refused.points)
			require.Equal(t, 500, p.points)

			messages := unpack(t, p.buf)
			require.Len(t, messages, p.messages)
			for i, m := range messages {
				require.LessOrEqual(t, len(m), limit)
				if i < len(messages)-1 {
					require.Greater(t, len(m), limit-200, "another point would not have fitted")
				}
			}
			all := strings.Join(messages, "")
			last := -1
			for i := range 500 {
				at := max(strings.Index(all, fmt.Sprintf("m%d,", i)), strings.Index(all, fmt.Sprintf(`"m%d"`, i)))
				require.Greater(t, at, last, "point %d follows the one before it", i)
				last = at
			}
		})
	}
}

func TestPackKeepsARequestBelowWhatNsqdTakes(t *testing.T) {
	var refused refusals
	p := newPacker(Influx, 1<<20)
	metrics := points(100_000)
	taken := p.pack("collect.ns", metrics, &refused)
	require.Less(t, taken, len(metrics))
	require.LessOrEqual(t, len(p.buf), maxBodySize)
	require.Greater(t, len(p.buf), maxBodySize-1000)
	require.Equal(t, 4, p.messages)
	require.Equal(t, taken, p.points)

	rest := p.pack("collect.ns", metrics[taken:], &refused)
	require.Equal(t, len(metrics), taken+rest)
	require.True(t, strings.HasPrefix(unpack(t, p.buf)[0], fmt.Sprintf("m%d,", taken)))
}

func TestPackTakesAMessageThatIsLargerThanARequestOfSeveral(t *testing.T) {
	var refused refusals
	p := newPacker(Influx, 2*maxBodySize)
	require.Equal(t, 100_000, p.pack("collect.ns", points(100_000), &refused))
	require.Equal(t, 1, p.messages)
}

func TestPackLeavesOutOnlyThePointsThatNoMessageCanHold(t *testing.T) {
	large := agent.Metric{Name: "large", Value: strings.Repeat("x", 2000)}
	nan := agent.Metric{Name: "nan", Value: math.NaN()}
	list := agent.Metric{Name: "list", Value: []int{1}}
	for _, format := range []string{Influx, JSON} {
		for _, bad := range []agent.Metric{large, nan, list} {
			for at := range 4 {
				metrics := points(3)
				metrics = append(metrics[:at:at], append([]agent.Metric{bad}, metrics[at:]...)...)
				var refused refusals
				p := newPacker(format, 1<<10)
				require.Equal(t, 4, p.pack("collect.ns", metrics, &refused))
				require.Equal(t, 3, p.points)
				require.Equal(t, 1, refused.points)
				require.ErrorContains(t, refused.first, bad.Name)

				require.Regexp(t, "(?s)m0.*m1.*m2", strings.Join(unpack(t, p.buf), ""))
			}
		}
	}
}

func TestPackSendsAPointThatIsLargerThanTheLimitAlone(t *testing.T) {
	metrics := points(5)
	metrics[2].Value = strings.Repeat("x", 2000)
	p := newPacker(Influx, 1<<20)
	p.limits = sizes{message: 1 << 10, body: maxBodySize}
	var refused refusals
	var requests []int
	for rest := metrics; len(rest) > 0; {
		rest = rest[p.pack("collect.ns", rest, &refused):]
		requests = append(requests, p.points)
		require.Equal(t, 1, p.messages)
	}
	require.Equal(t, []int{2, 1, 2}, requests)
	require.Zero(t, refused.points)
}

func TestPackKeepsToALimitOfTheBody(t *testing.T) {
	p := newPacker(Influx, 1<<10)
	p.limits.body = 10_000
	var refused refusals
	for rest := points(500); len(rest) > 0; {
		rest = rest[p.pack("collect.ns", rest, &refused):]
		require.LessOrEqual(t, len(p.buf), 10_000)
	}
	require.Zero(t, refused.points)
}

func TestPackOfNothingThatFitsIsEmpty(t *testing.T) {
	var refused refusals
	p := newPacker(JSON, 1<<10)
	require.Equal(t, 1, p.pack("collect.ns", []agent.Metric{{Name: "nan", Value: math.NaN()}}, &refused))
	require.Zero(t, p.messages)
	require.Equal(t, "bad_point", refused.reason)
}

func TestPackAllocatesNothingHoweverLargeTheBatch(t *testing.T) {
	for _, format := range []string{Influx, JSON} {
		for _, n := range []int{1, 100, 10_000} {
			metrics := points(n)
			p := newPacker(format, 64<<10)
			var refused refusals
			pack := func() { p.pack("collect.ns", metrics, &refused) }
			pack()
			require.Zero(t, testing.AllocsPerRun(10, pack), "%s, %d points", format, n)
		}
	}
}

func FuzzJSONIsWhatEncodingJSONReadsBack(f *testing.F) {
	f.Add("cpu.idle", "host", "web-1", 99.5, "text", int64(1500000000))
	f.Add("\"\\\x00\x1f\x7f", "\xff", "é\u2028<>&", math.Copysign(0, -1), "a\xffb\nc", int64(-1))
	f.Add("", "", "日本", 5e-324, `\u0000`, int64(math.MaxInt64))
	f.Add("m", "k", "v", 1e21, "\U0001F600\xf0\x9f", int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, name, key, tag string, number float64, text string, seconds int64) {
		var refused refusals
		p := newPacker(JSON, 1<<20)
		for _, value := range []any{number, number > 0, text} {
			if v, ok := value.(float64); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
				continue
			}
			p.pack("collect.ns", []agent.Metric{{Name: name, Timestamp: seconds, Tags: map[string]string{key: tag}, Value: value}}, &refused)
			require.Zero(t, refused.points)

			type point struct {
				Measurement string            `json:"measurement"`
				Timestamp   int64             `json:"timestamp"`
				Tags        map[string]string `json:"tags"`
				Fields      map[string]any    `json:"fields"`
			}
			var got struct{ Points []point }
			require.NoError(t, json.Unmarshal([]byte(unpack(t, p.buf)[0]), &got))
			require.Equal(t, []point{{valid(name), seconds, map[string]string{withoutSpecial(valid(key)): withoutSpecial(valid(tag))}, map[string]any{"value": validValue(value)}}}, got.Points)
		}
	})
}

// valid returns s as encoding/json writes and reads it.
func valid(s string) string { return string([]rune(s)) }

func validValue(v any) any {
	if s, ok := v.(string); ok {
		return valid(string(lineproto.AppendText(nil, s)))
	}
	return v
}

func BenchmarkPack(b *testing.B) {
	for _, format := range []string{Influx, JSON} {
		b.Run(string(format), func(b *testing.B) {
			metrics := points(100)
			p := newPacker(format, 1<<20)
			var refused refusals
			b.ReportAllocs()
			for b.Loop() {
				p.pack("collect.ns", metrics, &refused)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*100), "ns/point")
		})
	}
}
