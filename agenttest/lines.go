package agenttest

import (
	"fmt"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/lodastack/agent"
)

// DecodeLines parses points of a namespace as the agent encodes them in line
// protocol: one field named value, timestamps in seconds.
func DecodeLines(namespace string, lines []byte) ([]Point, error) {
	var points []Point
	decoder := lineprotocol.NewDecoderWithBytes(lines)
	for decoder.Next() {
		p, err := decodeLine(decoder)
		if err != nil {
			return nil, fmt.Errorf("decode line %d: %w", len(points)+1, err)
		}
		p.Namespace = namespace
		points = append(points, p)
	}
	return points, nil
}

func decodeLine(decoder *lineprotocol.Decoder) (Point, error) {
	name, err := decoder.Measurement()
	if err != nil {
		return Point{}, err
	}
	p := Point{Metric: agent.Metric{Name: string(name)}}
	for {
		key, value, err := decoder.NextTag()
		if err != nil {
			return Point{}, err
		}
		if key == nil {
			break
		}
		if p.Tags == nil {
			p.Tags = make(map[string]string)
		}
		p.Tags[string(key)] = string(value)
	}
	for {
		key, value, err := decoder.NextField()
		if err != nil {
			return Point{}, err
		}
		if key == nil {
			break
		}
		if string(key) != "value" || p.Value != nil {
			return Point{}, fmt.Errorf("point %s has the field %s, but only value is allowed", name, key)
		}
		p.Value = value.Interface()
	}
	at, err := decoder.TimeBytes()
	if err != nil {
		return Point{}, err
	}
	if _, err := fmt.Sscan(string(at), &p.Timestamp); err != nil {
		return Point{}, fmt.Errorf("point %s has the timestamp %q: %w", name, at, err)
	}
	return p, nil
}
