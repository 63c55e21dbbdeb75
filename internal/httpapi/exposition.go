package httpapi

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// exposition is text in the format of Prometheus.
//
// https://prometheus.io/docs/instrumenting/exposition_formats/
type exposition struct {
	text   []byte
	metric string // of the current family
}

// family begins a family of samples.
func (e *exposition) family(name, kind, help string) {
	e.metric = name
	e.text = fmt.Appendf(e.text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample adds a sample to the family; labels are names and values in turn.
func (e *exposition) sample(value float64, labels ...string) {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	e.text = append(e.text, e.metric...)
	separator := byte('{')
	for i := 0; i+1 < len(labels); i += 2 {
		e.text = append(e.text, separator)
		e.text = fmt.Appendf(e.text, `%s="%s"`, labels[i], escape.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")))
		separator = ','
	}
	if len(labels) > 0 {
		e.text = append(e.text, '}')
	}
	e.text = append(e.text, ' ')
	e.text = strconv.AppendFloat(e.text, value, 'g', -1, 64)
	e.text = append(e.text, '\n')
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unixSeconds returns 0 for the zero time.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
