package statsd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesAreParsed(t *testing.T) {
	for line, want := range map[string]sample{
		"a:1|c":                              {name: []byte("a"), kind: counter, values: []byte("1"), rate: 1},
		"a:1|c|@0.1":                         {name: []byte("a"), kind: counter, values: []byte("1"), rate: 0.1},
		"a.b:-2.5|g":                         {name: []byte("a.b"), kind: gauge, values: []byte("-2.5"), rate: 1},
		"a:320|ms":                           {name: []byte("a"), kind: timer, values: []byte("320"), rate: 1},
		"a:320|h":                            {name: []byte("a"), kind: timer, values: []byte("320"), rate: 1},
		"a:1:2:3|d|#k:v":                     {name: []byte("a"), tags: []byte("k:v"), kind: timer, values: []byte("1:2:3"), rate: 1},
		"a:user 1|s":                         {name: []byte("a"), kind: set, values: []byte("user 1"), rate: 1},
		"a:1|c|#k:v,x|@0.5":                  {name: []byte("a"), tags: []byte("k:v,x"), kind: counter, values: []byte("1"), rate: 0.5},
		"a:1|c|@0.5|#k:v|c:83c0|T1656581400": {name: []byte("a"), tags: []byte("k:v"), kind: counter, values: []byte("1"), rate: 0.5},
		"a,k=v,x=y:1|c":                      {name: []byte("a,k=v,x=y"), kind: counter, values: []byte("1"), rate: 1},
		"a:1|c|#":                            {name: []byte("a"), tags: []byte{}, kind: counter, values: []byte("1"), rate: 1},
		"a:1|c|":                             {name: []byte("a"), kind: counter, values: []byte("1"), rate: 1},
	} {
		got, err := parse([]byte(line))
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
	}
}

func TestBadLinesAreRefusedWithAReason(t *testing.T) {
	for line, want := range map[string]error{
		"":                                    errNoValue,
		"a":                                   errNoValue,
		"a|c":                                 errNoValue,
		"a:1":                                 errNoType,
		"a:1|":                                errType,
		"a:1|x":                               errType,
		"a:1|m":                               errType,
		":1|c":                                errName,
		",k=v:1|c":                            errName,
		"a:|s":                                errSet,
		"a:1|c|@0":                            errRate,
		"a:1|c|@-1":                           errRate,
		"a:1|c|@1.1":                          errRate,
		"a:1|c|@1e-300":                       errRate,
		"a:1|c|@nan":                          errRate,
		"a:1|c|@":                             errRate,
		"_e{5,4}:title|text":                  errUnsupported,
		"_sc|name|0":                          errUnsupported,
		strings.Repeat("a", 513) + ":1|c":     errName,
		"a:1|c|#" + strings.Repeat("a", 4097): errTags,
		"a," + strings.Repeat("a=b,", 1024) + ":1|c": errTags,
	} {
		_, err := parse([]byte(line))
		require.Equal(t, want, err, "%.80q", line)
	}
}

func TestNumbersAreFiniteDecimals(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "7": 7, "123456789": 123456789, "1234567890123": 1234567890123,
		"-1": -1, "+5": 5, "1.5": 1.5, ".5": 0.5, "1e3": 1000, "-2.5E-1": -0.25,
	} {
		got, err := number([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "-", "nan", "NaN", "inf", "-Inf", "1e999", "0x10", "1_000", "1,5", "١", " 1", "--1", "e", strings.Repeat("9", 400)} {
		_, err := number([]byte(text))
		require.Equal(t, errNumber, err, text)
	}
}

func FuzzPacket(f *testing.F) {
	for _, seed := range []string{"a:1|c", "a:1:2|ms|@0.1|#k:v,x", "a,k=v:+1|g\nb:x|s", "_e{1,1}:a|b", "a:|c|@", "\n\n|||:::###@@@", "a:1e308:1e308:-0|h", "é é:1|c|#é:\\,a b:c d"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		g := newGatherer(start)
		g.packet(packet, start)
		g.packet(packet, start) // now the series are known
		figures, _ := g.look()
		require.EqualValues(t, 2, figures.packets)
		for _, m := range metricsOf(g) {
			require.NoError(t, m.Validate(), "%q", packet)
		}
	})
}
