package lineproto_test

import (
	"math"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/lineproto"
)

// decoded is one point as the library's decoder reads it.
type decoded struct {
	name    string
	tags    map[string]string
	value   any
	seconds int64
}

// decode reads lines that must be valid.
func decode(t *testing.T, lines []byte) []decoded {
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

			points := decode(t, buf)
			require.Len(t, points, 3, "%q", buf)
			require.Equal(t, decoded{name, tags, value, seconds}, points[1], "%q", buf)
			require.Equal(t, decoded{"after", map[string]string{}, true, 2}, points[2], "%q", buf)
		}
	})
}
