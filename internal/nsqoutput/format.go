package nsqoutput

import (
	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lineproto"
)

// format writes points into a message: what begin appends, the points in
// turn, what end appends. A format has a scratch memory, so that it serves
// one packer only.
type format interface {
	// begin appends what stands before the first point.
	begin(buf []byte, topic string) []byte
	// point appends a point; first tells whether it is the message's first.
	// A point that has no form is an error.
	point(buf []byte, m *agent.Metric, first bool) ([]byte, error)
	// end appends what stands after the last point: tail bytes.
	end(buf []byte) []byte
	tail() int
}

func newFormat(name string) format {
	if name == JSON {
		return &jsonFormat{}
	}
	return &influxFormat{}
}

// influxFormat writes a line of line protocol for each point.
type influxFormat struct {
	enc lineproto.Encoder
}

func (f *influxFormat) begin(buf []byte, _ string) []byte { return buf }

func (f *influxFormat) point(buf []byte, m *agent.Metric, _ bool) ([]byte, error) {
	return f.enc.AppendPoint(buf, m.Name, m.Tags, m.Value, m.Timestamp)
}

func (f *influxFormat) end(buf []byte) []byte { return buf }

func (f *influxFormat) tail() int { return 0 }
