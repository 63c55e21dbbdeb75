package pluginoutput

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/lineproto"
)

// prometheusPoints reads Prometheus' text format or, if it ends with # EOF,
// OpenMetrics. Each sample is a point with its labels as tags: counters have
// their totals, histograms and summaries their buckets, quantiles, sums and
// counts. Times of creation and exemplars of OpenMetrics are left out.
//
// https://prometheus.io/docs/instrumenting/exposition_formats/
// https://prometheus.io/docs/specs/om/open_metrics_spec/
func prometheusPoints(text string) iter.Seq2[lineproto.Point, error] {
	open := strings.HasSuffix(strings.TrimRight(text, "\r\n"), "# EOF")
	return func(yield func(lineproto.Point, error) bool) {
		number, created := 0, ""
		var before labels
		for line := range strings.Lines(text) {
			number++
			line = strings.Trim(line, " \t\r\n")
			if line == "" {
				continue
			}
			if line[0] == '#' {
				if family := typedFamily(line); family != "" {
					created = family + "_created"
				}
				continue
			}
			point, err := readSample(line, open, &before)
			switch {
			case err != nil:
				err = fmt.Errorf("line %d: %w", number, err)
			case open && point.Name == created:
				continue
			}
			if !yield(point, err) {
				return
			}
		}
	}
}

// typedFamily returns the name in a line "# TYPE NAME KIND", and "" for other lines.
func typedFamily(comment string) string {
	words := strings.Fields(comment)
	if len(words) == 4 && words[1] == "TYPE" {
		return words[2]
	}
	return ""
}

// readSample reads NAME{LABELS} VALUE TIMESTAMP, or the form with the name in quotes among
// the labels.
func readSample(line string, open bool, before *labels) (point lineproto.Point, err error) {
	rest := line
	if i := strings.IndexAny(line, "{ \t"); i > 0 {
		point.Name, rest = line[:i], strings.TrimLeft(line[i:], " \t")
	}
	if strings.HasPrefix(rest, "{") {
		if rest, err = before.read(rest, &point); err != nil {
			return point, err
		}
	}
	if point.Name == "" {
		return point, errors.New("a sample is NAME VALUE or NAME{LABEL=\"…\"} VALUE")
	}
	if open {
		rest, _, _ = strings.Cut(rest, " # ") // an exemplar
	}
	words := strings.Fields(rest)
	if len(words) == 0 || len(words) > 2 {
		return point, errors.New("a value, and perhaps a timestamp, must follow the name")
	}
	value, err := promFloat(words[0])
	if err != nil {
		return point, fmt.Errorf("the value %.40q is not a number", words[0])
	}
	point.Value = value
	if len(words) == 2 {
		point.Timestamp, err = promSeconds(words[1], open)
	}
	return point, err
}

// labels are those of the last sample that had some. Successive samples with the same labels
// share the map.
type labels struct {
	text string // as they were written; empty: there are none
	tags map[string]string
}

// read reads the labels, which begin with {, into point, and returns the rest.
func (l *labels) read(text string, point *lineproto.Point) (rest string, err error) {
	if rest, same := strings.CutPrefix(text, l.text); same && l.text != "" && point.Name != "" {
		point.Tags = l.tags
		return rest, nil
	}
	named := point.Name != ""
	if rest, err = readLabels(text[1:], point); err == nil && named {
		l.text, l.tags = text[:len(text)-len(rest)], point.Tags
	}
	return rest, err
}

// readLabels reads LABEL="VALUE",… } into point, and returns the rest.
func readLabels(text string, point *lineproto.Point) (rest string, err error) {
	for {
		text = strings.TrimLeft(text, " \t,")
		if rest, closed := strings.CutPrefix(text, "}"); closed {
			return rest, nil
		}
		var key string
		if quoted, ok := strings.CutPrefix(text, `"`); ok {
			if key, text, err = unquote(quoted); err != nil {
				return "", err
			}
		} else {
			end := strings.IndexAny(text, "= \t,}")
			if end <= 0 {
				return "", errors.New("the labels have no }")
			}
			key, text = text[:end], text[end:]
		}
		text = strings.TrimLeft(text, " \t")
		if !strings.HasPrefix(text, "=") {
			if point.Name != "" {
				return "", fmt.Errorf("the label %.40q has no value", key)
			}
			point.Name = key
			continue
		}
		text = strings.TrimLeft(text[1:], " \t")
		quoted, ok := strings.CutPrefix(text, `"`)
		if !ok {
			return "", fmt.Errorf("the value of the label %.40q is not in quotes", key)
		}
		var value string
		if value, text, err = unquote(quoted); err != nil {
			return "", err
		}
		if _, twice := point.Tags[key]; twice {
			return "", fmt.Errorf("the label %.40q occurs twice", key)
		}
		if point.Tags == nil {
			point.Tags = make(map[string]string)
		}
		point.Tags[key] = value
	}
}

// unquote returns the text before the closing quote, and the rest after it.
func unquote(text string) (value, rest string, err error) {
	end := strings.IndexAny(text, `"\`)
	if end >= 0 && text[end] == '"' {
		return text[:end], text[end+1:], nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return b.String(), text[i+1:], nil
		case '\\':
			i++
			escaped := strings.IndexByte(`\"n`, byteAt(text, i))
			if escaped < 0 {
				return "", "", errors.New(`a \ is followed by none of \, " and n`)
			}
			b.WriteByte("\\\"\n"[escaped])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("a quote is not closed")
}

// byteAt returns 0 after the end of text.
func byteAt(text string, i int) byte {
	if i < len(text) {
		return text[i]
	}
	return 0
}

// promFloat reads a value. It does not accept Go's hexadecimal numbers and underscores.
func promFloat(text string) (float64, error) {
	if strings.ContainsAny(text, "pP_xX") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// promSeconds reads a timestamp: whole milliseconds, or seconds in OpenMetrics.
func promSeconds(text string, open bool) (int64, error) {
	if open {
		seconds, err := promFloat(text)
		if err != nil || seconds != seconds || seconds < -1e15 || seconds > 1e15 {
			return 0, fmt.Errorf("the timestamp %.40q is not a number of seconds", text)
		}
		return int64(seconds), nil
	}
	milliseconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the timestamp %.40q is not a whole number of milliseconds", text)
	}
	return milliseconds / 1000, nil
}
