package pluginoutput_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/lineproto"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// number is a point without tags.
func number(name string, value float64) lineproto.Point {
	return lineproto.Point{Name: name, Value: value}
}

func TestPerformanceDataAreInBaseUnits(t *testing.T) {
	for text, want := range map[string][]lineproto.Point{
		"OK":                                     nil,
		"OK | ":                                  nil,
		"OK | time=12ms":                         {number("time", 0.012)},
		"OK|time=3us n=5ns s=2s":                 {number("time", 3e-6), number("n", 5e-9), number("s", 2)},
		"OK|used=10%;80;90;0;100":                {number("used", 10), number("used.warn", 80), number("used.crit", 90)},
		"OK|/=2643MB;5948;5958;0;5968":           {number("_", 2643e6), number("_.warn", 5948e6), number("_.crit", 5958e6)},
		"OK|a=1KB b=1KiB c=2GB d=1TB e=7B f=1EB": {number("a", 1000), number("b", 1024), number("c", 2e9), number("d", 1e12), number("e", 7), number("f", 1e18)},
		"OK|octets=123456c":                      {number("octets", 123456)},
		"OK|'free memory'=1e3 'it''s=x'=2":       {number("free_memory", 1000), number("it_s_x", 2)},
		"OK|load1=0.5;;":                         {number("load1", 0.5)},
		"OK|r=5;10:;~:20 q=5;@1:2;30":            {number("r", 5), number("q", 5), number("q.crit", 30)},
		"OK|t=-4.5C x=+3":                        {number("t", -4.5), number("x", 3)},
		"OK|lost=U;1;2 a=1":                      {number("a", 1)},
		"OK|a=1\nlong text\nmore | b=2\nc=3 d=4": {number("a", 1), number("b", 2), number("c", 3), number("d", 4)},
		"OK\nno | c=3":                           {number("c", 3)},
		"OK|a=1 b=2\r\n":                         {number("a", 1), number("b", 2)},
	} {
		points, errs := read(pluginoutput.Nagios, text, 0)
		require.Empty(t, errs, text)
		require.Equal(t, append([]lineproto.Point{number("state", 0)}, want...), points, text)
	}
}

func TestTheStatusOfACheckIsItsState(t *testing.T) {
	points, errs := read(pluginoutput.Nagios, "CRITICAL - down", 2)
	require.Empty(t, errs)
	require.Equal(t, []lineproto.Point{number("state", 2)}, points)
}

func TestBadPerformanceDataCostOnlyThemselves(t *testing.T) {
	for text, want := range map[string]string{
		"OK|a=1,5 b=2":        `a: the value "1,5" is not a number: it is digits with a point, and then a unit`,
		"OK|a=1,5ms b=2":      `a: the value "1,5ms" is not a number: it is digits with a point, and then a unit`,
		"OK|a=inf b=2":        `a: the value "inf" is not a number: it is digits with a point, and then a unit`,
		"OK|a=nan b=2":        `a: the value "nan" is not a number: it is digits with a point, and then a unit`,
		"OK|a= b=2":           `a: the value "" is not a number: it is digits with a point, and then a unit`,
		"OK|a=;; b=2":         `a: the value "" is not a number: it is digits with a point, and then a unit`,
		"OK|word b=2":         `word: performance data are LABEL=VALUE, a label with blanks in single quotes`,
		"OK|=5 b=2":           `_5: performance data are LABEL=VALUE, a label with blanks in single quotes`,
		"OK|'a' b=2":          `a: no = follows the label`,
		"OK|b=2 'a=5":         `a_5: the quote of a label is not closed`,
		"OK|b=2 b=3":          `b: the label "b" makes the name b, which "b" has already`,
		"OK|b=2 state=3":      `state: the label "state" makes the name state, which "state of the check" has already`,
		"OK|/=1 b=2 'é'=3 =":  `_: performance data are LABEL=VALUE, a label with blanks in single quotes`,
		"OK|a=1e999 b=2":      `a: the value "1e999" is not a number: it is digits with a point, and then a unit`,
		"OK|a=0x1p-2;;;; b=2": "",
	} {
		points, errs := read(pluginoutput.Nagios, text, 0)
		require.Contains(t, points, number("b", 2), text)
		if want != "" {
			require.Contains(t, errs, want, text)
		}
	}
}

func FuzzNagios(f *testing.F) {
	f.Add("OK|'a ''b'=1KB;2;3:;4;5\nlong|c=U d=1e5%")
	f.Add("x|=;;'")
	f.Fuzz(func(t *testing.T, text string) {
		points, errs := read(pluginoutput.Nagios, text, 1)
		require.LessOrEqual(t, len(points)+len(errs), 4+3*len(text))
		for _, p := range points {
			require.IsType(t, 0.0, p.Value)
			require.Regexp(t, `^[0-9A-Za-z._-]*$`, p.Name)
		}
	})
}
