package recent

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of the last values. A series takes about 100 bytes besides its text.
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
//
// Its only pointers are those of values that are texts: under many posts the garbage
// is collected tens of times a second, and each time follows every pointer.
type seriesTable struct {
	mu    sync.Mutex
	byKey map[uint64]int32 // guarded by mu; index in all
	all   []series         // guarded by mu
	// labels are those of all series, one after the other. The bytes that are
	// there never change.
	labels []byte            // guarded by mu
	texts  map[uint64]string // guarded by mu; by key
	bytes  int               // guarded by mu; that labels and texts take, about
	swept  time.Time         // guarded by mu
}

// series is what is remembered of one series.
type series struct {
	key        uint64
	begin, end uint32 // of its labels
	size       int32  // that they take, about
	kind       kind
	number     float64 // the value; 1 is true
	time       int64   // of the last point; Unix seconds
	seen       int64   // when it passed; Unix seconds
}

// kind is what a value is.
type kind uint8

const (
	aNumber kind = iota
	aBool
	aText // in seriesTable.texts
)

// add remembers points, whose keys are made with the seed, and returns how many are
// left out.
func (t *seriesTable) add(seed maphash.Seed, points iter.Seq[Point], now time.Time) (leftOut int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range points {
		key := p.key(seed)
		at, known := t.byKey[key]
		if !known {
			if !t.admit(key, p, now) {
				leftOut++
				continue
			}
			at = t.byKey[key]
		}
		s := &t.all[at]
		s.time, s.seen = p.Time, now.Unix()
		t.setValue(s, p.Value)
	}
	return leftOut
}

// admit adds the point's series, if there is room. The caller holds mu.
func (t *seriesTable) admit(key uint64, p Point, now time.Time) bool {
	size := p.seriesSize()
	if size > maxSeriesBytes {
		return false
	}
	full := func() bool { return len(t.all) >= MaxSeries || t.bytes+size > maxBytes }
	if full() && now.Sub(t.swept).Abs() >= sweepEvery {
		t.swept = now
		t.forget(now.Add(-replaceAfter).Unix())
	}
	if full() {
		return false
	}
	t.insert(series{key: key, size: int32(size)}, appendLabels(nil, p))
	return true
}

// insert puts a series with its labels into the table. The caller holds mu.
func (t *seriesTable) insert(s series, labels []byte) {
	if t.byKey == nil {
		t.byKey = make(map[uint64]int32)
	}
	t.byKey[s.key] = int32(len(t.all))
	s.begin = uint32(len(t.labels))
	t.labels = append(t.labels, labels...)
	s.end = uint32(len(t.labels))
	t.all = append(t.all, s)
	t.bytes += int(s.size)
}

// setValue sets the value, a text cut to maxText, or to nothing if the table has no
// room for it. The caller holds mu.
func (t *seriesTable) setValue(s *series, value any) {
	if s.kind == aText {
		t.forgetText(s)
	}
	switch value := value.(type) {
	case float64:
		s.kind, s.number = aNumber, value
	case bool:
		s.kind, s.number = aBool, 0
		if value {
			s.number = 1
		}
	case string:
		if len(value) > maxText {
			value = strings.ToValidUTF8(value[:maxText], "") + cut
		}
		if t.bytes+len(value) > maxBytes {
			value = cut
		}
		if t.texts == nil {
			t.texts = make(map[uint64]string)
		}
		s.kind = aText
		t.texts[s.key] = strings.Clone(value)
		t.bytes += len(value)
	}
}

// forgetText removes the series' text. The caller holds mu.
func (t *seriesTable) forgetText(s *series) {
	t.bytes -= len(t.texts[s.key])
	delete(t.texts, s.key)
}

// forget removes the series that did not pass since then, and makes the table anew
// of the others. The caller holds mu.
func (t *seriesTable) forget(since int64) {
	stale := func(s series) bool { return s.seen < since }
	if !slices.ContainsFunc(t.all, stale) {
		return
	}
	all, labels := t.all, t.labels
	t.all, t.labels = nil, nil // a reader may have these
	clear(t.byKey)
	for _, s := range all {
		t.bytes -= int(s.size)
		if !stale(s) {
			t.insert(s, labels[s.begin:s.end])
		} else if s.kind == aText {
			t.forgetText(&s)
		}
	}
}

// separator ends each label. No namespace, name or tag has such a byte.
const separator = "\x00"

// appendLabels appends the point's labels: its namespace, its name, and the keys and
// values of its tags by turns, in order of the keys.
func appendLabels(labels []byte, p Point) []byte {
	add := func(label string) { labels = append(append(labels, label...), separator...) }
	add(p.Namespace)
	add(p.Name)
	for _, key := range slices.Sorted(maps.Keys(p.Tags)) {
		add(key)
		add(p.Tags[key])
	}
	return labels
}
