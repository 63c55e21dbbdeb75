package lineproto_test

import (
	"math"
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
		"float without tags":  {"cpu.idle", nil, 99.5, "cpu.idle value=99.5 1500000000\n"},
		"whole number":        {"agent.alive", nil, 1.0, "agent.alive value=1 1500000000\n"},
		"tags sorted by key":  {"m", map[string]string{"z": "1", "host": "h", "a": "2"}, 1.0, "m,a=2,host=h,z=1 value=1 1500000000\n"},
		"tags escaped":        {"m", map[string]string{"k": "a,b=c"}, 1.0, `m,k=a\,b\=c value=1 1500000000` + "\n"},
		"bool":                {"m", nil, true, "m value=true 1500000000\n"},
		"string with a quote": {"m", nil, `say "hi"`, `m value="say \"hi\"" 1500000000` + "\n"},
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

func BenchmarkAppendPoint(b *testing.B) {
	var enc lineproto.Encoder
	tags := map[string]string{"host": "web-1.example.com", "interface": "eth0", "rack": "r17"}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = enc.AppendPoint(buf[:0], "net.in", tags, 123456.789, 1500000000)
	}
}
