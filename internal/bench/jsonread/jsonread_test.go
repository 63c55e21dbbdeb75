// Package jsonread compares ways to read a posted list of metrics. It is a
// module of its own, so that the agent does not depend on what it was compared
// with. docs/decisions/json.md has the result.
//
//	go test -bench . -benchmem
package jsonread

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/buger/jsonparser"
	"github.com/bytedance/sonic"
	"github.com/go-faster/jx"
	goccy "github.com/goccy/go-json"
	"github.com/lodastack/agent/internal/postbody"
	"github.com/minio/simdjson-go"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fastjson"
)

type metric struct {
	Name      string            `json:"name"`
	Timestamp int64             `json:"timestamp"`
	Tags      map[string]string `json:"tags"`
	Value     any               `json:"value"`
}

// reader returns the metrics of a body; the memory of the body is reused
// afterwards.
type reader struct {
	name string
	read func(body []byte) ([]metric, error)
}

func readers() []reader {
	return []reader{
		{"postbody", readPostbody},
		{"encoding_json", func(body []byte) (list []metric, err error) { return list, json.Unmarshal(body, &list) }},
		{"goccy", func(body []byte) (list []metric, err error) { return list, goccy.Unmarshal(body, &list) }},
		{"sonic", func(body []byte) (list []metric, err error) {
			return list, sonic.ConfigStd.Unmarshal(body, &list)
		}},
		{"sonic_fastest", func(body []byte) (list []metric, err error) {
			return list, sonic.ConfigFastest.Unmarshal(body, &list)
		}},
		{"simdjson", newSimdjson()},
		{"fastjson", newFastjson()},
		{"jx", readJX},
		{"jsonparser", readJSONParser},
	}
}

func readPostbody(body []byte) (list []metric, err error) {
	return list, postbody.ReadJSON(string(body), func(p postbody.Point) error {
		list = append(list, metric(p))
		return nil
	})
}

func newFastjson() func(body []byte) ([]metric, error) {
	var parser fastjson.Parser
	return func(body []byte) ([]metric, error) {
		root, err := parser.ParseBytes(body)
		if err != nil {
			return nil, err
		}
		elements, err := root.Array()
		if err != nil {
			return nil, err
		}
		list := make([]metric, 0, len(elements))
		for _, e := range elements {
			m := metric{Name: string(e.GetStringBytes("name")), Timestamp: e.GetInt64("timestamp")}
			if tags := e.GetObject("tags"); tags != nil {
				m.Tags = make(map[string]string, tags.Len())
				tags.Visit(func(key []byte, v *fastjson.Value) { m.Tags[string(key)] = string(v.GetStringBytes()) })
			}
			switch v := e.Get("value"); v.Type() {
			case fastjson.TypeNumber:
				m.Value = v.GetFloat64()
			case fastjson.TypeString:
				m.Value = string(v.GetStringBytes())
			case fastjson.TypeTrue, fastjson.TypeFalse:
				m.Value = v.GetBool()
			}
			list = append(list, m)
		}
		return list, nil
	}
}

func readJX(body []byte) (list []metric, err error) {
	d := jx.GetDecoder()
	defer jx.PutDecoder(d)
	d.ResetBytes(body)
	err = d.Arr(func(d *jx.Decoder) error {
		var m metric
		err := d.ObjBytes(func(d *jx.Decoder, key []byte) (err error) {
			switch string(key) {
			case "name":
				m.Name, err = d.Str()
			case "timestamp":
				m.Timestamp, err = d.Int64()
			case "tags":
				m.Tags = make(map[string]string)
				err = d.ObjBytes(func(d *jx.Decoder, key []byte) error {
					v, err := d.Str()
					m.Tags[string(key)] = v
					return err
				})
			case "value":
				switch d.Next() {
				case jx.Number:
					m.Value, err = d.Float64()
				case jx.String:
					m.Value, err = d.Str()
				case jx.Bool:
					m.Value, err = d.Bool()
				default:
					err = errors.New("no value")
				}
			default:
				err = d.Skip()
			}
			return err
		})
		list = append(list, m)
		return err
	})
	return list, err
}

func readJSONParser(body []byte) (list []metric, err error) {
	_, err = jsonparser.ArrayEach(body, func(element []byte, _ jsonparser.ValueType, _ int, _ error) {
		var m metric
		err := jsonparser.ObjectEach(element, func(key, v []byte, kind jsonparser.ValueType, _ int) (err error) {
			switch string(key) {
			case "name":
				m.Name, err = jsonparser.ParseString(v)
			case "timestamp":
				m.Timestamp, err = jsonparser.ParseInt(v)
			case "tags":
				m.Tags = make(map[string]string)
				err = jsonparser.ObjectEach(v, func(key, v []byte, _ jsonparser.ValueType, _ int) error {
					s, err := jsonparser.ParseString(v)
					m.Tags[string(key)] = s
					return err
				})
			case "value":
				switch kind {
				case jsonparser.Number:
					m.Value, err = jsonparser.ParseFloat(v)
				case jsonparser.String:
					m.Value, err = jsonparser.ParseString(v)
				case jsonparser.Boolean:
					m.Value, err = jsonparser.ParseBoolean(v)
				}
			}
			return err
		})
		if err != nil {
			panic(err)
		}
		list = append(list, m)
	})
	return list, err
}

func newSimdjson() func(body []byte) ([]metric, error) {
	if !simdjson.SupportedCPU() {
		return nil
	}
	var parsed *simdjson.ParsedJson
	return func(body []byte) (list []metric, err error) {
		if parsed, err = simdjson.Parse(body, parsed); err != nil {
			return nil, err
		}
		iter := parsed.Iter()
		iter.AdvanceInto()
		_, root, err := iter.Root(nil)
		if err != nil {
			return nil, err
		}
		array, err := root.Array(nil)
		if err != nil {
			return nil, err
		}
		var object, tags simdjson.Object
		array.ForEach(func(i simdjson.Iter) {
			var m metric
			if _, err = i.Object(&object); err != nil {
				return
			}
			err = object.ForEach(func(key []byte, i simdjson.Iter) {
				switch string(key) {
				case "name":
					m.Name, _ = i.String()
				case "timestamp":
					m.Timestamp, _ = i.Int()
				case "tags":
					if _, err := i.Object(&tags); err == nil {
						m.Tags = make(map[string]string)
						_ = tags.ForEach(func(key []byte, i simdjson.Iter) {
							m.Tags[string(key)], _ = i.String()
						}, nil)
					}
				case "value":
					switch i.Type() {
					case simdjson.TypeString:
						m.Value, _ = i.String()
					case simdjson.TypeBool:
						m.Value, _ = i.Bool()
					default:
						m.Value, _ = i.Float()
					}
				}
			}, nil)
			list = append(list, m)
		})
		return list, err
	}
}

// bodies returns shapes of bodies that programs and scripts send.
func bodies() map[string][]byte {
	list := func(n int, element func(i int) string) []byte {
		elements := make([]string, n)
		for i := range elements {
			elements[i] = element(i)
		}
		return []byte("[" + strings.Join(elements, ",") + "]")
	}
	return map[string][]byte{
		"100_two_tags": list(100, func(i int) string {
			return fmt.Sprintf(`{"name":"http.requests.count","timestamp":1700000%03d,"tags":{"path":"/api/v1/item%d","code":"200"},"value":%d.25}`, i, i, i)
		}),
		"100_same_tags": list(100, func(i int) string {
			return fmt.Sprintf(`{"name":"mysql.status.%d","timestamp":1700000000,"tags":{"port":"3306","role":"master"},"value":%d}`, i, i*1000)
		}),
		"1_metric": list(1, func(int) string { return `{"name":"job.ok","timestamp":0,"tags":{},"value":1}` }),
		"100_indented": list(100, func(i int) string {
			return fmt.Sprintf("\n  {\n    \"name\": \"disk.free\",\n    \"tags\": {\n      \"mount\": \"/data%d\",\n      \"fs\": \"x\\u00e9\"\n    },\n    \"timestamp\": 1700000000,\n    \"value\": %d\n  }", i, i)
		}),
	}
}

func TestReadersAgree(t *testing.T) {
	for shape, body := range bodies() {
		var want []metric
		require.NoError(t, json.Unmarshal(body, &want))
		for _, r := range readers() {
			if r.read == nil {
				continue
			}
			for range 2 {
				got, err := r.read(body)
				require.NoError(t, err, "%s %s", r.name, shape)
				require.Equal(t, want, got, "%s %s", r.name, shape)
			}
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for shape, body := range bodies() {
		metrics := strings.Count(string(body), `"name"`)
		for _, r := range readers() {
			if r.read == nil {
				continue
			}
			b.Run(shape+"/"+r.name, func(b *testing.B) {
				b.ReportAllocs()
				before := cpuTime(b)
				for b.Loop() {
					if _, err := r.read(body); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N*metrics), "cpu-ns/metric")
			})
		}
	}
}

// cpuTime returns the CPU time that the process has used, garbage collection
// included. Unlike the time of the wall it says little about who else uses the
// machine.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
