package otlp

import (
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodastack/agent/internal/influxdb"
)

// tag is an attribute as a tag has it.
type tag struct{ key, value string }

// describesProcess reports whether a resource's attribute is about the process, its host or its
// SDK. They are the same for all that the process sends, change with each start, or are what the
// agent's own tag host says.
func describesProcess(key string) bool {
	for _, prefix := range []string{"process.", "host.", "os.", "telemetry.sdk."} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// attribute reads a KeyValue. The value is empty if it is a list, a map or bytes, which no tag can
// have.
func (r *reader) attribute(message []byte) (t tag, err error) {
	for f, err := range fields(message) {
		if err != nil {
			return tag{}, err
		}
		switch {
		case f.is(1, protowire.BytesType):
			t.key = r.texts.of(f.bytes)
		case f.is(2, protowire.BytesType):
			if t.value, err = r.anyValue(f.bytes); err != nil {
				return tag{}, err
			}
		}
	}
	return t, nil
}

// anyValue returns an AnyValue as text.
func (r *reader) anyValue(message []byte) (text string, err error) {
	for f, err := range fields(message) {
		if err != nil {
			return "", err
		}
		switch {
		case f.is(1, protowire.BytesType):
			text = r.texts.of(f.bytes)
		case f.is(2, protowire.VarintType):
			text = strconv.FormatBool(f.bits != 0)
		case f.is(3, protowire.VarintType):
			text = strconv.FormatInt(int64(f.bits), 10)
		case f.is(4, protowire.Fixed64Type):
			text = formatFloat(math.Float64frombits(f.bits))
		}
	}
	return text, nil
}

// formatFloat writes a number as Prometheus does.
func formatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "+Inf"
	case math.IsInf(f, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// texts has the keys and values of one request as tags have them, each once: most occur in many
// data points.
type texts map[string]string

// maxTexts bounds the texts that are looked up.
const maxTexts = 1000

func (t texts) of(b []byte) string {
	if text, known := t[string(b)]; known {
		return text
	}
	text := influxdb.CleanTag(string(b))
	if len(t) < maxTexts {
		t[string(b)] = text
	}
	return text
}
