package pluginoutput

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/lineproto"
)

// NagiosUnknown is the last of the statuses OK, WARNING, CRITICAL and UNKNOWN.
const NagiosUnknown = 3

// nagiosPoints yields the state of a check and its performance data in base
// units: LABEL and, if they are plain numbers, its thresholds as LABEL.warn
// and LABEL.crit.
//
// https://www.monitoring-plugins.org/doc/guidelines.html
func nagiosPoints(text string, status int) iter.Seq2[lineproto.Point, error] {
	return func(yield func(lineproto.Point, error) bool) {
		if !yield(lineproto.Point{Name: "state", Value: float64(status)}, nil) {
			return
		}
		labels := map[string]string{"state": "state of the check"} // of the names that were made
		for rest := perfdata(text); rest != ""; {
			var one perf
			var err error
			one, rest, err = nextPerf(rest)
			name := influxdb.CleanName(one.label)
			if other, taken := labels[name]; taken && err == nil {
				err = fmt.Errorf("the label %.40q makes the name %.40s, which %.40q has already", one.label, name, other)
			}
			if err != nil {
				if !yield(lineproto.Point{Name: name}, err) {
					return
				}
				continue
			}
			labels[name] = one.label
			for _, point := range one.points() {
				if !yield(point, nil) {
					return
				}
			}
		}
	}
}

// perfdata returns the performance data of all lines. They follow the first | of the first
// line, and the next | up to the end.
func perfdata(text string) string {
	first, more, _ := strings.Cut(text, "\n")
	_, data, _ := strings.Cut(first, "|")
	_, long, _ := strings.Cut(more, "|")
	return strings.TrimSpace(data + "\n" + long)
}

// perf is one of the performance data, in base units.
type perf struct {
	label      string
	value      float64
	undefined  bool // the value is U: the check could not tell
	warn, crit *float64
}

func (p perf) points() []lineproto.Point {
	if p.undefined {
		return nil
	}
	points := []lineproto.Point{{Name: p.label, Value: p.value}}
	if p.warn != nil {
		points = append(points, lineproto.Point{Name: p.label + ".warn", Value: *p.warn})
	}
	if p.crit != nil {
		points = append(points, lineproto.Point{Name: p.label + ".crit", Value: *p.crit})
	}
	return points
}

// nextPerf reads 'LABEL'=VALUE[UNIT];WARN;CRIT;MIN;MAX and returns the rest of the text,
// which is always shorter.
func nextPerf(text string) (p perf, rest string, err error) {
	p.label, rest, err = nextLabel(text)
	value, rest := cutBlank(rest)
	if err != nil {
		return p, rest, err
	}
	parts := strings.Split(value, ";")
	if parts[0] == "U" {
		p.undefined = true
		return p, rest, nil
	}
	digits := len(parts[0]) - len(strings.TrimLeft(parts[0], "+-.0123456789eE"))
	// An E that no digit follows begins a unit, such as EB.
	digits = len(strings.TrimRight(parts[0][:digits], "eE"))
	factor := unitFactor(parts[0][digits:])
	number, err := decimal(parts[0][:digits])
	if err != nil || strings.HasPrefix(parts[0][digits:], ",") {
		return p, rest, fmt.Errorf("the value %.40q is not a number: it is digits with a point, and then a unit", parts[0])
	}
	p.value = number * factor
	p.warn, p.crit = threshold(parts, 1, factor), threshold(parts, 2, factor)
	return p, rest, nil
}

// nextLabel reads a label and the = after it. rest begins with the value or, after an error,
// with the word to skip.
func nextLabel(text string) (label, rest string, err error) {
	if quoted, ok := strings.CutPrefix(text, "'"); ok {
		var b strings.Builder
		for {
			part, after, closed := strings.Cut(quoted, "'")
			b.WriteString(part)
			if !closed {
				return b.String(), "", errors.New("the quote of a label is not closed")
			}
			again, doubled := strings.CutPrefix(after, "'")
			if !doubled {
				quoted = after
				break
			}
			b.WriteByte('\'') // two of them stand for one
			quoted = again
		}
		rest, ok := strings.CutPrefix(quoted, "=")
		if !ok {
			return b.String(), quoted, errors.New("no = follows the label")
		}
		return b.String(), rest, nil
	}
	word, _ := cutBlank(text)
	label, value, ok := strings.Cut(word, "=")
	if !ok || label == "" {
		return word, text, errors.New("performance data are LABEL=VALUE, a label with blanks in single quotes")
	}
	return label, text[len(word)-len(value):], nil
}

// cutBlank cuts text at its first blank, and leaves out the blanks there.
func cutBlank(text string) (word, rest string) {
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return text, ""
	}
	return text[:i], strings.TrimLeftFunc(text[i:], unicode.IsSpace)
}

// unitFactor returns the factor from a unit to seconds or bytes. For other units, such as %
// and c of a counter, it is 1.
func unitFactor(unit string) float64 {
	switch unit {
	case "ns":
		return 1e-9
	case "us", "µs":
		return 1e-6
	case "ms":
		return 1e-3
	}
	prefix, isBytes := strings.CutSuffix(unit, "B")
	if !isBytes || prefix == "" {
		return 1
	}
	base := 1000.0
	if binary, ok := strings.CutSuffix(prefix, "i"); ok {
		prefix, base = binary, 1024
	}
	power := strings.Index("KMGTPE", strings.ToUpper(prefix))
	if len(prefix) != 1 || power < 0 {
		return 1
	}
	return math.Pow(base, float64(power+1))
}

// threshold returns the threshold of the index if it is a plain number, and not a range with
// two limits or an inverted one.
func threshold(parts []string, i int, factor float64) *float64 {
	if i >= len(parts) {
		return nil
	}
	number, err := decimal(parts[i])
	if err != nil {
		return nil
	}
	number *= factor
	return &number
}

// decimal reads a finite decimal number.
func decimal(text string) (float64, error) {
	if strings.Trim(text, "+-.0123456789eE") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}
