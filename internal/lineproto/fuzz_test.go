package lineproto_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/influxdb1-client/models"
	telegraf "github.com/influxdata/line-protocol"
	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/lineproto"
)

// decoded is one point as a reader understands it.
type decoded struct {
	name    string
	tags    map[string]string
	value   any
	seconds int64
}

// readers read lines that must be valid: those who consume the agent's topics.
var readers = map[string]func(t *testing.T, lines []byte) []decoded{
	"line-protocol/v2": readV2,
	"InfluxDB 1.x":     readInfluxDB1,
	"Telegraf":         readTelegraf,
}

func readV2(t *testing.T, lines []byte) []decoded {
	t.Helper()
	var points []decoded
	dec := lineprotocol.NewDecoderWithBytes(lines)
	for dec.Next() {
		p := decoded{tags: map[string]string{}}
		name, err := dec.Measurement()
		require.NoError(t, err)
		p.name = string(name)
		for {
			key, value, err := dec.NextTag()
			require.NoError(t, err)
			if key == nil {
				break
			}
			p.tags[string(key)] = string(value)
		}
		key, value, err := dec.NextField()
		require.NoError(t, err)
		require.Equal(t, "value", string(key))
		p.value = value.Interface()
		key, _, err = dec.NextField()
		require.NoError(t, err)
		require.Nil(t, key, "one field only")
		at, err := dec.Time(lineprotocol.Second, time.Time{})
		require.NoError(t, err)
		p.seconds = at.Unix()
		points = append(points, p)
	}
	return points
}

// readInfluxDB1 reads with the parser of InfluxDB 1.x, which its client has.
func readInfluxDB1(t *testing.T, lines []byte) []decoded {
	t.Helper()
	parsed, err := models.ParsePointsWithPrecision(lines, time.Time{}, "s")
	require.NoError(t, err, "%q", lines)
	var points []decoded
	for _, p := range parsed {
		fields, err := p.Fields()
		require.NoError(t, err)
		points = append(points, decoded{string(p.Name()), p.Tags().Map(), onlyValue(t, fields), p.Time().Unix()})
	}
	return points
}

// readTelegraf reads with the parser that Telegraf's default one is made of:
// both are generated from one grammar.
func readTelegraf(t *testing.T, lines []byte) []decoded {
	t.Helper()
	handler := telegraf.NewMetricHandler()
	handler.SetTimePrecision(time.Second)
	parsed, err := telegraf.NewParser(handler).Parse(lines)
	require.NoError(t, err, "%q", lines)
	var points []decoded
	for _, p := range parsed {
		tags, fields := map[string]string{}, map[string]any{}
		for _, tag := range p.TagList() {
			tags[tag.Key] = tag.Value
		}
		for _, field := range p.FieldList() {
			fields[field.Key] = field.Value
		}
		points = append(points, decoded{p.Name(), tags, onlyValue(t, fields), p.Time().Unix()})
	}
	return points
}

func onlyValue(t *testing.T, fields map[string]any) any {
	t.Helper()
	require.Len(t, fields, 1)
	require.Contains(t, fields, "value")
	return fields["value"]
}

// readable is what all readers read back of a text.
func readable(value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	parts := strings.Split(text, "\r\n")
	for i := range parts {
		parts[i] = strings.NewReplacer("\r", " ", "\f", " ").Replace(parts[i])
	}
	return strings.Join(parts, "\r\n")
}

func FuzzEveryReaderReadsAPointBackAsItWas(f *testing.F) {
	f.Add("host", "web-1.example.com", "rack", "r17", 99.5, "", int64(1500000000))
	f.Add("k", "a,b=c", "a=b", `x\"`, -1.5, `say "hi"`, int64(-1))
	f.Add("ns", `\"a,`, `\,`, "#", 1e300, "line\nbreak\r\n\rand\f", int64(9223372035))
	f.Add("é", "日本", `\=x`, `""`, 0.0, `\\" value=1 1`+"\nm value=2", int64(0))
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string, number float64, text string, seconds int64) {
		// What an output gets has no other names and tags: see agent.Batch.
		for _, s := range []string{key1, value1, key2, value2} {
			if s == "" || strings.HasSuffix(s, `\`) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				t.Skip()
			}
		}
		for _, value := range []any{number, number > 0, text} {
			var enc lineproto.Encoder
			tags := map[string]string{key1: value1, key2: value2}
			lines, err := enc.AppendPoint(nil, "m.x", tags, value, seconds)
			if err != nil {
				continue
			}
			lines, err = enc.AppendPoint(lines, "after", nil, true, 2)
			require.NoError(t, err)
			first := readV2(t, lines)
			require.Equal(t, readable(value), first[0].value)
			require.Equal(t, seconds, first[0].seconds)
			for reader, read := range readers {
				require.Equal(t, first, read(t, lines), "%s reads %q", reader, lines)
			}
		}
	})
}

func FuzzAppendPointIsReadBackAsItWas(f *testing.F) {
	f.Add("cpu.idle", "host", "web-1.example.com", "rack", "r17", 99.5, "", int64(1500000000))
	f.Add("m", "k", "a,b=c", "a b", `x\`, math.Inf(1), `say "hi"`, int64(-1))
	f.Add("#m", "", "\n", `\`, "#", math.NaN(), "line\nbreak", int64(math.MaxInt64))
	f.Add("m\xff", "ü", "é", "time", "日本", math.Copysign(0, -1), `\`, int64(math.MinInt64))
	f.Add(`\m`, `\,`, `\=`, `"`, `""`, 1e300, `\"`, int64(9223372036))
	f.Add(" m", "\t", "\r", "\x00", "\x7f", 5e-324, "\xff", int64(-9223372037))
	f.Fuzz(func(t *testing.T, name, key1, value1, key2, value2 string, number float64, text string, seconds int64) {
		var enc lineproto.Encoder
		for _, value := range []any{number, number > 0, text} {
			tags := map[string]string{key1: value1, key2: value2}
			buf, err := enc.AppendPoint([]byte("before value=1 1\n"), name, tags, value, seconds)
			if err != nil {
				require.Equal(t, "before value=1 1\n", string(buf))
				continue
			}
			buf, err = enc.AppendPoint(buf, "after", nil, true, 2)
			require.NoError(t, err)

			points := readV2(t, buf)
			require.Len(t, points, 3, "%q", buf)
			require.Equal(t, decoded{name, plainTags(tags), readable(value), seconds}, points[1], "%q", buf)
			require.Equal(t, decoded{"after", map[string]string{}, true, 2}, points[2], "%q", buf)
		}
	})
}

// plainTags returns tags as they are written: no backslash stands before a
// quote if something else needs one.
func plainTags(tags map[string]string) map[string]string {
	plain := map[string]string{}
	for key, value := range tags {
		plain[withoutEscapedQuote(key)] = withoutEscapedQuote(value)
	}
	return plain
}

func withoutEscapedQuote(s string) string {
	for strings.ContainsAny(s, ",= ") && strings.Contains(s, `\"`) {
		s = strings.ReplaceAll(s, `\"`, `"`)
	}
	return s
}

// What lines have in common is kept from one to the next: no line may change another.
func FuzzALineIsReadAsIfItWereAlone(f *testing.F) {
	f.Add("m,a=1,b=2 value=1 5", "m,a=1,b=2 value=2,x=3", "m,a=1 value=3")
	f.Add("m,a=1 value=1", "m,a=1,a=1 value=1", "m,a=1 value=2")
	f.Add("m,a=1,b=2", "m,a=1,b=3 value=t", "n value=f")
	f.Add("m,a=1,b=2 value=1", "m,a=1,b=2,c=3 value=1", `m,a=1,b= value="x"`)
	f.Fuzz(func(t *testing.T, first, second, third string) {
		lines := []string{first, second, third, first}
		var alone []string
		for _, line := range lines {
			if strings.ContainsAny(line, "\n\r\"#") {
				t.Skip("perhaps not one line")
			}
			alone = append(alone, readings(line)...)
		}
		require.Equal(t, alone, readings(strings.Join(lines, "\n")))
	})
}

// readings returns points and errors as text.
func readings(text string) (read []string) {
	for point, err := range lineproto.Points([]byte(text), 0) {
		if err != nil {
			read = append(read, point.Name+": error")
			continue
		}
		read = append(read, fmt.Sprintf("%+v", point))
	}
	return read
}
