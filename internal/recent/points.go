package recent

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

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

// Points returns the last point of each series that the filter chooses, at most
// limit.
func (m *Memory) Points(filter Filter, limit int) Points {
	t := m.series.copyOf(m.now().Add(-forgetAfter).Unix())
	points := Points{LeftOut: m.leftOut.Load()}
	host := m.host.list()
	byName := make(map[string][]labelled)
	for _, s := range t.all {
		l := t.labelled(s)
		if l.namespace != everyNamespace {
			points.Series++
		} else {
			points.Series += len(host)
		}
		if filter.chooses(l.name) {
			byName[l.name] = append(byName[l.name], l)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		for _, l := range inNamespaces(byName[name], host, filter) {
			if len(points.Points) == limit {
				return points
			}
			points.Points = append(points.Points, l.point(t.texts))
		}
	}
	return points
}

// Names returns the names of the series that are remembered, sorted.
func (m *Memory) Names() []string {
	t := m.series.copyOf(m.now().Add(-forgetAfter).Unix())
	names := make(map[string]bool)
	for _, s := range t.all {
		names[t.labelled(s).name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// copyOf returns a copy of the table without the series that did not pass since then,
// so that nobody waits while it is searched.
func (t *seriesTable) copyOf(since int64) *seriesTable {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(since)
	return &seriesTable{all: slices.Clone(t.all), labels: t.labels, texts: maps.Clone(t.texts)}
}

// labelled is a series with its labels. Its tags are keys and values by turns, each
// with a separator behind it.
type labelled struct {
	series
	namespace, name, tags string
}

// labelled returns the series with its labels.
func (t *seriesTable) labelled(s series) labelled {
	l := labelled{series: s}
	l.namespace, l.tags, _ = strings.Cut(string(t.labels[s.begin:s.end]), separator)
	l.name, l.tags, _ = strings.Cut(l.tags, separator)
	return l
}

// compare orders series of one name by namespace and tags, the newest value first.
func (l labelled) compare(other labelled) int {
	return cmp.Or(l.compareLabels(other), cmp.Compare(other.seen, l.seen))
}

// compareLabels orders series of one name by namespace and tags.
func (l labelled) compareLabels(other labelled) int {
	return cmp.Or(cmp.Compare(l.namespace, other.namespace), cmp.Compare(l.tags, other.tags))
}

// point returns the series' last point.
func (l labelled) point(texts map[uint64]string) Point {
	p := Point{Namespace: l.namespace, Name: l.name, Tags: make(map[string]string), Time: l.time}
	for rest := l.tags; rest != ""; {
		var key, value string
		key, rest, _ = strings.Cut(rest, separator)
		value, rest, _ = strings.Cut(rest, separator)
		p.Tags[key] = value
	}
	switch l.kind {
	case aNumber:
		p.Value = l.number
	case aBool:
		p.Value = l.number == 1
	case aText:
		p.Value = texts[l.key]
	}
	return p
}
