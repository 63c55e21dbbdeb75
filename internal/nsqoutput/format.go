package nsqoutput

import (
	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lineproto"
)

// format writes points into a message: begin, each point, end. A format has
// buffers, so each packer has its own.
type format interface {
	// begin appends the beginning of a message.
	begin(buf []byte, topic string) []byte
	// point appends a point. first is true for the message's first point. The
	// error means that the format cannot express the point.
	point(buf []byte, m *agent.Metric, first bool) ([]byte, error)
	// end appends the end of a message: tail bytes.
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

func (f *influxFormat) begin(buf []byte, _ string) []byte {
	f.enc.Begin()
	return buf
}

func (f *influxFormat) point(buf []byte, m *agent.Metric, _ bool) ([]byte, error) {
	return f.enc.AppendPoint(buf, m.Name, m.Tags, m.Value, m.Timestamp)
}

func (f *influxFormat) end(buf []byte) []byte { return buf }

func (f *influxFormat) tail() int { return 0 }
