package httpapi

import (
	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/postbody"
)

const (
	// pointMemory is about how much memory a decoded metric takes besides its text.
	pointMemory = 384
	// tagMemory is about how much a tag takes in a map of its own.
	tagMemory = 64
	// pointsAtOnce is the number of points for which memory is taken at a time.
	pointsAtOnce = 16
)

// pointMeter takes the memory of a body's points from a share, of some points at a time. The text
// of a body is taken before. But text that a body has once may belong to many points: to the
// fields of a line, to the data points of a resource. Each of them is written out with it.
type pointMeter struct {
	share  *memoryShare
	points int
	due    int64             // not taken yet, besides pointMemory
	tags   map[string]string // of the last point
}

// add counts a point whose text is its own.
func (m *pointMeter) add(postbody.Point) error {
	if m.points++; m.points%pointsAtOnce != 1 {
		return nil
	}
	memory := m.due + pointsAtOnce*pointMemory
	m.due = 0
	return m.share.take(memory)
}

// addOfLine counts a point that may have the tags of the one before.
func (m *pointMeter) addOfLine(p postbody.Point) error {
	if influxdb.SameMap(m.tags, p.Tags) {
		m.due += textOf(p)
	}
	m.tags = p.Tags
	return m.add(p)
}

// addCopy counts a point whose tags are copied from what it shares with others.
func (m *pointMeter) addCopy(p postbody.Point) error {
	m.due += textOf(p)
	if !influxdb.SameMap(m.tags, p.Tags) {
		m.due += int64(len(p.Tags)) * tagMemory
	}
	m.tags = p.Tags
	return m.add(p)
}

// textOf returns the size of a point's name and tags.
func textOf(p postbody.Point) int64 {
	size := len(p.Name)
	for key, value := range p.Tags {
		size += len(key) + len(value)
	}
	return int64(size)
}
