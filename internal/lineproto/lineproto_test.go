package lineproto_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/lineproto"
)

func TestAppendPointWritesOneSortedLine(t *testing.T) {
	tests := map[string]struct {
		name  string
		tags  map[string]string
		value any
		want  string
	}{
		"float without tags":        {"cpu.idle", nil, 99.5, "cpu.idle value=99.5 1500000000\n"},
		"whole number":              {"agent.alive", nil, 1.0, "agent.alive value=1 1500000000\n"},
		"tags sorted by key":        {"m", map[string]string{"z": "1", "host": "h", "a": "2"}, 1.0, "m,a=2,host=h,z=1 value=1 1500000000\n"},
		"tags escaped":              {"m", map[string]string{"k": "a,b=c"}, 1.0, `m,k=a\,b\=c value=1 1500000000` + "\n"},
		"bool":                      {"m", nil, true, "m value=true 1500000000\n"},
		"string with a quote":       {"m", nil, `say "hi"`, `m value="say \"hi\"" 1500000000` + "\n"},
		"string with lines":         {"m", nil, "a\nb\r\nc", "m value=\"a\nb\r\nc\" 1500000000\n"},
		"string with breaks":        {"m", nil, "a\rb\fc\r", "m value=\"a b c \" 1500000000\n"},
		"string that ends a string": {"m", nil, `\" 1`, `m value="\\\" 1" 1500000000` + "\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var enc lineproto.Encoder
			line, err := enc.AppendPoint(nil, tt.name, tt.tags, tt.value, 1500000000)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(line))
		})
	}
}

func TestAppendPointLeavesTheBufferAsItWasWhenThereIsNoForm(t *testing.T) {
	tests := map[string]struct {
		name  string
		tags  map[string]string
		value any
	}{
		"not a number":       {"m", nil, math.NaN()},
		"a list":             {"m", nil, []int{1}},
		"empty name":         {"", nil, 1.0},
		"newline in a tag":   {"m", map[string]string{"k": "a\nb"}, 1.0},
		"trailing backslash": {"m", map[string]string{"k": `a\`}, 1.0},
	}
	var enc lineproto.Encoder
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			buf, err := enc.AppendPoint([]byte("before\n"), tt.name, tt.tags, tt.value, 1)
			require.Error(t, err)
			require.Equal(t, "before\n", string(buf))

			buf, err = enc.AppendPoint(buf, "m", nil, 1.0, 1)
			require.NoError(t, err, "the next point is not affected")
			require.Equal(t, "before\nm value=1 1\n", string(buf))
		})
	}
}

func TestAppendPointKeepsTheTagsOfEachPointApart(t *testing.T) {
	tags := []map[string]string{
		nil,
		{"a": "1"},
		{"a": "2"},
		{"b": "2"},
		{"a": "1", "b": "2"},
		{"a": "1", "b": "a,b"},
		{"a": "1", "b": ""},
		{"a": "1", "c": ""},
		{},
	}
	var used lineproto.Encoder
	for _, first := range tags {
		for _, second := range tags {
			_, _ = used.AppendPoint(nil, "m", first, 1.0, 1)
			got, gotErr := used.AppendPoint(nil, "m", second, 1.0, 1)
			var fresh lineproto.Encoder
			want, wantErr := fresh.AppendPoint(nil, "m", second, 1.0, 1)
			require.Equal(t, want, got, "%v after %v", second, first)
			require.Equal(t, wantErr == nil, gotErr == nil, "%v after %v", second, first)
		}
	}
}

func TestAMapOfTagsMayChangeBetweenBatches(t *testing.T) {
	tags := map[string]string{"a": "1"}
	for name, begin := range map[string]func(*lineproto.Encoder){"batches": (*lineproto.Encoder).Begin, "single points": func(*lineproto.Encoder) {}} {
		t.Run(name, func(t *testing.T) {
			var encoder lineproto.Encoder
			for _, value := range []string{"1", "2"} {
				tags["a"] = value
				begin(&encoder)
				for range 2 {
					line, err := encoder.AppendPoint(nil, "m", tags, true, 1)
					require.NoError(t, err)
					require.Equal(t, "m,a="+value+" value=true 1\n", string(line))
				}
			}
		})
	}
}

func TestNumbersAreWrittenInTheirShortestForm(t *testing.T) {
	var encoder lineproto.Encoder
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 0.5, -0.25, 42, 999_999, 1_000_000, -999_999, -1_000_000, 1_000_001, 123456.789, 1e300, 5e-324, math.MaxInt64} {
		line, err := encoder.AppendPoint(nil, "m", nil, v, 1)
		require.NoError(t, err)
		require.Equal(t, "m value="+strconv.FormatFloat(v, 'g', -1, 64)+" 1\n", string(line))
	}
}

func TestEachPointHasItsOwnTime(t *testing.T) {
	var encoder lineproto.Encoder
	var lines []byte
	for _, seconds := range []int64{0, 0, 5, 5, -5, 0} {
		var err error
		lines, err = encoder.AppendPoint(lines, "m", nil, true, seconds)
		require.NoError(t, err)
	}
	require.Equal(t, "m value=true 0\nm value=true 0\nm value=true 5\nm value=true 5\nm value=true -5\nm value=true 0\n", string(lines))
}

func BenchmarkAppendPoint(b *testing.B) {
	tags := func(iface string) map[string]string {
		return map[string]string{"host": "web-1.example.com", "interface": iface, "rack": "r17"}
	}
	shared := tags("eth0")
	tests := map[string][2]map[string]string{
		"one map":    {shared, shared},
		"same tags":  {tags("eth0"), tags("eth0")},
		"other tags": {tags("eth0"), tags("eth1")},
	}
	for name, tags := range tests {
		b.Run(name, func(b *testing.B) {
			var enc lineproto.Encoder
			enc.Begin()
			buf := make([]byte, 0, 256)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				buf, _ = enc.AppendPoint(buf[:0], "net.in", tags[i%2], 123456.789, 1500000000)
			}
		})
	}
}

func TestSuccessivePointsWithTheSameTagsShareThem(t *testing.T) {
	var read []lineproto.Point
	for point, err := range lineproto.Points([]byte("m,a=1,b=2 x=1,y=2\nm,a=1,b=2 x=3\nm,a=1 x=4\nm x=5\n"), 0) {
		require.NoError(t, err)
		read = append(read, point)
	}
	require.Len(t, read, 5)
	read[0].Tags["host"] = "h"
	require.Equal(t, "h", read[2].Tags["host"])
	require.Equal(t, map[string]string{"a": "1"}, read[3].Tags)
	require.Nil(t, read[4].Tags)
}
