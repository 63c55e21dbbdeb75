package statsd

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// Bounds of what is kept in memory. Whoever sends chooses names, tags and members, and must
// not choose how much memory they take.
const (
	// maxSeries bounds the gauges, and the other series of an interval. Each order of a
	// series' tags counts.
	maxSeries = 10_000
	// maxText bounds the bytes of their names and tags, of both together.
	maxText = 8 << 20
	// tagBytes is what a tag takes besides its text.
	tagBytes = 64
	// maxMembers bounds the members of all sets.
	maxMembers = 100_000
	// gaugeLife is how long a gauge is kept that is not written.
	gaugeLife = time.Hour
)

// errFull is that of a sample for whose series, or for which in its set, there is no room.
var errFull = errors.New("there is no room for it")

// counts are figures since the start.
type counts struct {
	packets, samples, badLines, unsupported, leftOut int64
}

// gatherer gathers samples until they are taken. It is safe for concurrent use.
type gatherer struct {
	seed maphash.Seed

	mu      sync.Mutex
	current table // counters, timers and sets since the last take
	gauges  table
	members int // of all sets of current
	since   time.Time
	counts  counts
	bad     string // the first bad line since takeBad, and why it is bad
	key     []byte // space for the one that is being looked up
}

// table is a bounded set of series. The zero value is empty.
type table struct {
	lines  map[string]*series // by kind, name and tags as they were sent
	series map[string]*series // by their keys
	text   int                // bytes of both maps' keys, about
}

// taken is what was gathered in an interval.
type taken struct {
	since, until time.Time
	series       []*series // which nobody changes any more
}

func newGatherer(now time.Time) *gatherer {
	return &gatherer{seed: maphash.MakeSeed(), since: now}
}

// packet adds the lines of a packet.
func (g *gatherer) packet(data []byte, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts.packets++
	if len(data) > maxPacket { // its last line is cut
		data = data[:bytes.LastIndexByte(data, '\n')+1]
		g.refuse(data, errPacket)
	}
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		switch err := g.line(line, now); {
		case err == nil:
			g.counts.samples++
		case errors.Is(err, errFull):
			g.counts.leftOut++
		case errors.Is(err, errUnsupported):
			g.counts.unsupported++
		default:
			g.refuse(line, err)
		}
	}
}

// refuse counts a bad line. The caller holds mu.
func (g *gatherer) refuse(line []byte, err error) {
	g.counts.badLines++
	if g.bad == "" {
		g.bad = fmt.Sprintf("%.100q: %v", line, err)
	}
}

// line adds a line. The caller holds mu.
func (g *gatherer) line(line []byte, now time.Time) error {
	sent, err := parse(line)
	if err != nil {
		return err
	}
	from := &g.current
	if sent.kind == gauge {
		from = &g.gauges
	}
	g.key = append(g.key[:0], byte(sent.kind))
	g.key = append(g.key, sent.name...)
	g.key = append(g.key, '|')
	g.key = append(g.key, sent.tags...)
	s := from.lines[string(g.key)]
	if s == nil {
		if s, err = from.find(g.key, sent); err != nil {
			return err
		}
	}
	if sent.kind != set {
		return s.add(sent, now)
	}
	added, err := s.addMember(sent.values, g.seed, g.members < maxMembers, now)
	if added {
		g.members++
	}
	return err
}

// find finds or makes the series of a line that was not seen before.
func (t *table) find(line []byte, sent sample) (*series, error) {
	if len(t.lines) >= maxSeries || t.text+size(string(line)) > maxText/2 {
		return nil, errFull
	}
	made, err := newSeries(sent)
	if err != nil {
		return nil, err
	}
	if t.lines == nil {
		t.lines, t.series = make(map[string]*series), make(map[string]*series)
	}
	key := made.key()
	if known := t.series[key]; known != nil {
		made = known
	}
	t.series[key], t.lines[string(line)] = made, made
	t.text += size(string(line))
	return made, nil
}

// size returns about how many bytes a line and its series take.
func size(line string) int { return 2*len(line) + tagBytes*strings.Count(line, ",") }

// take returns what was gathered since the last time. Gauges stay, and are copied.
func (g *gatherer) take(now time.Time) taken {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := taken{since: g.since, until: now, series: make([]*series, 0, len(g.current.series)+len(g.gauges.series))}
	for _, s := range g.current.series {
		if !s.written.IsZero() {
			t.series = append(t.series, s)
		}
	}
	g.current, g.members, g.since = table{}, 0, now
	g.gauges.forget(now.Add(-gaugeLife))
	for _, s := range g.gauges.series {
		if !s.written.IsZero() {
			still := *s
			t.series = append(t.series, &still)
		}
	}
	return t
}

// forget removes the series that were last written before the given time.
func (t *table) forget(before time.Time) {
	for key, s := range t.series {
		if s.written.Before(before) {
			delete(t.series, key)
		}
	}
	for line, s := range t.lines {
		if s.written.Before(before) {
			delete(t.lines, line)
			t.text -= size(line)
		}
	}
}

// idle reports whether there is no series. Then the interval begins anew.
func (g *gatherer) idle(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.current.series)+len(g.gauges.series) > 0 {
		return false
	}
	g.since = now
	return true
}

// look returns the figures, and how many series there are.
func (g *gatherer) look() (figures counts, series int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts, len(g.current.series) + len(g.gauges.series)
}

// takeBad returns the first bad line since the last call, and why it is bad. Empty: there was
// none.
func (g *gatherer) takeBad() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	bad := g.bad
	g.bad = ""
	return bad
}
