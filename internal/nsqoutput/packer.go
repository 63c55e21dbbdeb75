package nsqoutput

import (
	"encoding/binary"
	"fmt"

	"github.com/nsqio/go-nsq"

	"github.com/lodastack/agent"
)

const (
	// maxBodySize is the largest request of several messages. It is below
	// nsqd's default --max-body-size of 5 MiB.
	maxBodySize = 4 << 20
	// numberSize is the size of a number in a request's body.
	numberSize = 4
)

// packer packs points into messages, and messages into the body of a request:
//
//	count | size | message | size | message | …
//
// The numbers have four bytes, big endian. This is the body of NSQ's MPUB. A
// single message is sent alone, with PUB.
//
// https://nsq.io/clients/tcp_protocol_spec.html#mpub
type packer struct {
	format     format
	maxMessage int   // limit for a message of one point
	limits     sizes // for messages of several points and bodies of several messages

	buf      []byte
	messages int // in buf
	points   int // in buf
	longest  int // message in buf
}

// pack fills the body with as many points as one request can hold, and returns
// how many metrics it has handled: at least one. Points that no message can
// hold are added to refused.
func (p *packer) pack(topic string, metrics []agent.Metric, refused *refusals) (taken int) {
	p.buf = append(p.buf[:0], make([]byte, numberSize)...)
	p.messages, p.points, p.longest = 0, 0, 0
	for full := false; !full && taken < len(metrics); {
		var n int
		n, full = p.addMessage(topic, metrics[taken:], refused)
		taken += n
	}
	binary.BigEndian.PutUint32(p.buf, uint32(p.messages))
	return taken
}

// addMessage adds one message with as many of the metrics as fit, and returns
// how many it has handled. full means that the body has no room for another
// message.
//
// A point that is larger than the servers' limit gets a request of its own.
// Some server may accept it, and no other point is refused together with it.
func (p *packer) addMessage(topic string, metrics []agent.Metric, refused *refusals) (taken int, full bool) {
	start := len(p.buf) + numberSize
	largest, room := start+p.maxMessage, start+p.limits.message
	if p.messages > 0 {
		room = min(room, p.limits.body)
	}

	buf := append(p.buf, make([]byte, numberSize)...)
	buf = p.format.begin(buf, topic)
	points := 0
	for ; !full && taken < len(metrics); taken++ {
		m := &metrics[taken]
		longer, err := p.format.point(buf, m, points == 0)
		if err != nil {
			refused.add(1, DroppedPoint, err)
			continue
		}
		end := len(longer) + p.format.tail()
		if end > largest && points == 0 {
			refused.add(1, DroppedTooLarge, fmt.Errorf(
				"point %s needs a message of %d bytes and maxmessagesize is %d; make its text shorter", m.Name, end-start, p.maxMessage))
			continue
		}
		if end > room {
			full = points == 0
			if points > 0 || p.messages > 0 {
				break
			}
		}
		buf = longer
		points++
	}

	if points == 0 {
		p.buf = buf[:len(p.buf)]
		return taken, full
	}
	p.buf = p.format.end(buf)
	binary.BigEndian.PutUint32(p.buf[start-numberSize:], uint32(len(p.buf)-start))
	p.messages++
	p.points += points
	p.longest = max(p.longest, len(p.buf)-start)
	return taken, full
}

// sent returns the sizes of what was packed.
func (p *packer) sent() sizes { return sizes{message: p.longest, body: len(p.buf)} }

// command returns the request that publishes the body. It is valid until the
// next pack.
func (p *packer) command(topic string) *nsq.Command {
	if p.messages == 1 {
		return nsq.Publish(topic, p.buf[2*numberSize:])
	}
	return &nsq.Command{Name: []byte("MPUB"), Params: [][]byte{[]byte(topic)}, Body: p.buf}
}
