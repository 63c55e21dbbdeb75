package recent

import (
	"cmp"
	"hash/maphash"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Bounds of the history. A series at an interval of 10 s takes 1.4 KiB.
const (
	// HistoryTime is how far the history goes back.
	HistoryTime = time.Hour
	// maxHistory is how many series have a history.
	maxHistory = 2000
	// maxSlots bounds the values of a series, where its interval is short.
	maxSlots = 720
)

// history has an hour of the host's own measurements. Its zero value is empty.
type history struct {
	mu     sync.Mutex
	series map[uint64]*past // guarded by mu; by key
	swept  int64            // guarded by mu; Unix seconds; when a full one was looked through
}

// past is the history of a series: a value for each interval.
type past struct {
	name     string
	tags     map[string]string
	labels   string // name and tags, for the order
	interval int64  // seconds
	// origin is the Unix time of interval 0, whose middle it is: a round that
	// comes a little early or late is in its own interval.
	origin int64
	// values is a ring; that of interval n is in values[n % len]. NaN: there is
	// none. 32 bits are exact to 7 digits, which is more than a plot shows.
	values []float32
	last   int64   // number of the newest interval
	value  float64 // the newest, exactly
	time   int64   // of the newest; Unix seconds
}

// add takes a round of one kind, which is measured every interval, at a time in Unix
// seconds. The keys of its series are made with the seed.
func (h *history) add(interval time.Duration, seed maphash.Seed, points iter.Seq[Point], now int64) {
	seconds := max(int64(interval.Seconds()), 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range points {
		value, ok := p.Value.(float64)
		if !ok {
			continue
		}
		key := p.key(seed)
		series := h.series[key]
		if series == nil || series.interval != seconds {
			if series == nil && !h.hasRoom(now) || p.seriesSize() > maxSeriesBytes {
				continue
			}
			series = newPast(p.clone(), seconds, now)
			h.series[key] = series
		}
		series.add(value, now)
	}
}

// hasRoom reports whether there is room for one more series. In a full history the
// series make room that have missed two rounds: a login is measured once and never
// again. The caller holds mu.
func (h *history) hasRoom(now int64) bool {
	if h.series == nil {
		h.series = make(map[uint64]*past)
	}
	if len(h.series) >= maxHistory && now != h.swept {
		h.swept = now
		maps.DeleteFunc(h.series, func(_ uint64, s *past) bool { return !s.current(now) })
	}
	return len(h.series) < maxHistory
}

// current reports whether the newest value is no older than two intervals.
func (s *past) current(now int64) bool { return now-s.time <= 2*s.interval }

func newPast(p Point, seconds, now int64) *past {
	slots := min(max(int64(HistoryTime.Seconds())/seconds, 2), maxSlots)
	s := &past{
		name: p.Name, tags: p.Tags, labels: string(appendLabels(nil, p)),
		interval: seconds, values: make([]float32, slots), origin: now,
	}
	s.clear(0, slots)
	return s
}

// clear makes the values of the intervals from first on, before end, missing ones.
func (s *past) clear(first, end int64) {
	for n := max(first, end-int64(len(s.values))); n < end; n++ {
		s.values[n%int64(len(s.values))] = float32(math.NaN())
	}
}

// add puts a value into the interval of now. If the clock was set back, what was
// measured since the new time is forgotten.
func (s *past) add(value float64, now int64) {
	if now < s.origin {
		s.origin, s.last = now, 0
		s.clear(0, int64(len(s.values)))
	}
	n := (now - s.origin + s.interval/2) / s.interval
	s.clear(min(n, s.last)+1, max(n, s.last)+1)
	s.last, s.value, s.time = n, value, now
	s.values[n%int64(len(s.values))] = float32(value)
}

// forget removes the series that have no value in the last hour. The caller holds
// mu.
func (h *history) forget(now int64) {
	maps.DeleteFunc(h.series, func(_ uint64, s *past) bool {
		return now-s.time > int64(HistoryTime.Seconds())
	})
}

// inOrder returns the series in order of name and tags. The caller holds mu.
func (h *history) inOrder() []*past {
	return slices.SortedFunc(maps.Values(h.series), func(a, b *past) int { return cmp.Compare(a.labels, b.labels) })
}

// History is what one series of the host was.
type History struct {
	Name string
	Tags map[string]string // must not be changed
	// Interval between the values, in seconds.
	Interval int64
	// Start is the time of the first value, in Unix seconds.
	Start int64
	// Values are NaN if there was none.
	Values []float32
}

// History returns the last hour of each of the host's series that the filter
// chooses, in order of name and tags.
func (m *Memory) History(filter Filter) []History {
	h, now := &m.history, m.now().Unix()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(now)
	var list []History
	for _, s := range h.inOrder() {
		if !filter.Matches("", s.name) {
			continue
		}
		size := int64(len(s.values))
		first := max(s.last-size+1, 0)
		values := make([]float32, 0, s.last-first+1)
		for n := first; n <= s.last; n++ {
			values = append(values, s.values[n%size])
		}
		list = append(list, History{
			Name: s.name, Tags: s.tags, Interval: s.interval, Start: s.origin + first*s.interval, Values: values,
		})
	}
	return list
}

// HostValue is the newest value of a measurement of the host.
type HostValue struct {
	Name  string
	Tags  map[string]string // must not be changed
	Value float64
	Time  int64 // Unix seconds
}

// HostValues returns the newest values of the host's measurements that are no
// older than two intervals, in order of name and tags.
func (m *Memory) HostValues() []HostValue {
	h, now := &m.history, m.now().Unix()
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]HostValue, 0, len(h.series))
	for _, s := range h.inOrder() {
		if s.current(now) {
			list = append(list, HostValue{s.name, s.tags, s.value, s.time})
		}
	}
	return list
}
