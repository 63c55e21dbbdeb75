package recent

import (
	"cmp"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of the last values. A series takes about 250 bytes besides its text.
const (
	// MaxSeries is how many series are remembered.
	MaxSeries = 10_000
	// maxBytes bounds what all names, tags and texts take.
	maxBytes = 4 << 20
	// maxSeriesBytes bounds the name and tags of one; a larger one is left out.
	maxSeriesBytes = 4096
	// maxText is how much is kept of a value that is a text, and cut stands for
	// the rest.
	maxText = 256
	cut     = "…"
	// A series that did not pass for so long makes room for a new one, and one
	// that did not pass for a day is forgotten in any case.
	replaceAfter = 10 * time.Minute
	forgetAfter  = 24 * time.Hour
	// sweepEvery is how often a full table looks for such series.
	sweepEvery = 10 * time.Second
)

// seriesTable has the last value of each series. Its zero value is empty.
type seriesTable struct {
	seedOnce sync.Once
	seed     maphash.Seed

	mu    sync.Mutex
	byKey map[uint64]*series // guarded by mu
	bytes int                // guarded by mu; that names, tags and texts take
	swept time.Time          // guarded by mu
}

// series is what is remembered of one series.
type series struct {
	namespace, name string
	tags            []string // keys and values by turns
	value           any
	time            int64
	seen            int64 // Unix seconds; when it passed last
}

// keyed is a point with the key of its series.
type keyed struct {
	key   uint64
	point Point
}

// add remembers points and returns how many are left out. Their keys are made
// before the lock is taken.
func (t *seriesTable) add(points iter.Seq[Point], now time.Time) (leftOut int64) {
	t.seedOnce.Do(func() { t.seed = maphash.MakeSeed() })
	var batch [64]keyed
	list := batch[:0]
	for p := range points {
		list = append(list, keyed{t.key(p), p})
		if len(list) == len(batch) {
			leftOut += t.store(list, now)
			list = batch[:0]
		}
	}
	return leftOut + t.store(list, now)
}

// key identifies the point's series. Two series have the same key once in 2^64,
// and the seed is secret: then they are taken for one.
func (t *seriesTable) key(p Point) uint64 {
	key := maphash.String(t.seed, p.Namespace)
	key = key*31 + maphash.String(t.seed, p.Name)
	for k, v := range p.Tags { // in any order: their sum is the same
		key += maphash.String(t.seed, k) * (maphash.String(t.seed, v) | 1)
	}
	return key
}

func (t *seriesTable) store(list []keyed, now time.Time) (leftOut int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKey == nil {
		t.byKey = make(map[uint64]*series)
	}
	for _, k := range list {
		s := t.byKey[k.key]
		if s == nil {
			if s = t.admit(k.point, now); s == nil {
				leftOut++
				continue
			}
			t.byKey[k.key] = s
		}
		s.time, s.seen = k.point.Time, now.Unix()
		t.setValue(s, k.point.Value)
	}
	return leftOut
}

// admit returns a new series for the point, nil where there is no room. The
// caller holds mu.
func (t *seriesTable) admit(p Point, now time.Time) *series {
	size := p.seriesSize()
	if size > maxSeriesBytes {
		return nil
	}
	full := func() bool { return len(t.byKey) >= MaxSeries || t.bytes+size > maxBytes }
	if full() && now.Sub(t.swept).Abs() >= sweepEvery {
		t.swept = now
		t.forget(now.Add(-replaceAfter).Unix())
	}
	if full() {
		return nil
	}
	p = p.clone()
	s := &series{namespace: p.Namespace, name: p.Name, tags: make([]string, 0, 2*len(p.Tags))}
	for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
		s.tags = append(s.tags, k, p.Tags[k])
	}
	t.bytes += size
	return s
}

// setValue sets the value, a text cut to maxText, or to nothing if the table has no
// room for it. The caller holds mu.
func (t *seriesTable) setValue(s *series, value any) {
	if old, ok := s.value.(string); ok {
		t.bytes -= len(old)
	}
	if text, ok := value.(string); ok {
		if len(text) > maxText {
			text = strings.ToValidUTF8(text[:maxText], "") + cut
		}
		if t.bytes+len(text) > maxBytes {
			text = cut
		}
		t.bytes += len(text)
		value = strings.Clone(text)
	}
	s.value = value
}

// forget removes the series that did not pass since then. The caller holds mu.
func (t *seriesTable) forget(since int64) {
	for key, s := range t.byKey {
		if s.seen >= since {
			continue
		}
		delete(t.byKey, key)
		t.bytes -= s.size()
	}
}

// size returns about how many bytes the series takes, as [Point.size].
func (s *series) size() int {
	size := len(s.namespace) + len(s.name) + perTag*len(s.tags)/2
	for _, text := range s.tags {
		size += len(text)
	}
	if text, ok := s.value.(string); ok {
		size += len(text)
	}
	return size
}

// point returns the series' last point.
func (s *series) point() Point {
	tags := make(map[string]string, len(s.tags)/2)
	for i := 0; i+1 < len(s.tags); i += 2 {
		tags[s.tags[i]] = s.tags[i+1]
	}
	return Point{Namespace: s.namespace, Name: s.name, Tags: tags, Value: s.value, Time: s.time}
}

// compare orders series by name, namespace and tags.
func (s *series) compare(other *series) int {
	return cmp.Or(cmp.Compare(s.name, other.name), cmp.Compare(s.namespace, other.namespace), slices.Compare(s.tags, other.tags))
}

// Points are last values.
type Points struct {
	// Series is how many series are remembered, LeftOut how many points were
	// not, for want of room or because too many passed, since the start.
	Series  int
	LeftOut int64
	// Points are the last ones of the series that were asked for, in order of
	// name, namespace and tags.
	Points []Point
}

// Points returns the last point of each series that the filter lets through, at
// most limit.
func (m *Memory) Points(filter Filter, limit int) Points {
	now := m.now()
	t := &m.series
	t.mu.Lock()
	t.forget(now.Add(-forgetAfter).Unix())
	count := len(t.byKey)
	var found []series // copies, as the lock is not held while they are sorted
	for _, s := range t.byKey {
		if filter.Matches(s.namespace, s.name) {
			found = append(found, *s)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(found, func(a, b series) int { return a.compare(&b) })
	points := Points{Series: count, LeftOut: m.leftOut.Load()}
	for i := range found[:min(len(found), limit)] {
		points.Points = append(points.Points, found[i].point())
	}
	return points
}
