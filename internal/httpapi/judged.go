package httpapi

import (
	"slices"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/postbody"
)

// tagMemory is about how much memory a tag takes in the map of a point.
const tagMemory = 64

// judgedPoints are points of a body of which the good ones are taken though others are bad. A body
// consists of items, lines or data points, that have several points each.
type judgedPoints struct {
	share  *memoryShare
	tags   map[string]string // of the last point
	items  []int             // the item of each point that was added
	bad    []BadItem         // items that could not be read
	memory int64             // of tags, that is still to be taken from share
}

func newJudgedPoints(share *memoryShare, expected int) *judgedPoints {
	return &judgedPoints{share: share, items: make([]int, 0, expected)}
}

// BadItem is an item of a body, a line or a data point, of which nothing, or not all, can be sent.
type BadItem struct {
	// Item is its position, from 0.
	Item int
	Err  error
}

func (b BadItem) Error() string { return b.Err.Error() }

// add passes on a point of an item, or records that the item is bad.
func (j *judgedPoints) add(add func(postbody.Point), item int, p postbody.Point, bad error) error {
	if bad != nil {
		j.bad = append(j.bad, BadItem{item, &postbody.PointError{Index: item, Name: p.Name, Err: bad}})
	} else {
		j.items = append(j.items, item)
		add(p)
	}
	if len(p.Tags) > 0 && !influxdb.SameMap(j.tags, p.Tags) {
		j.tags = p.Tags
		j.memory += int64(len(p.Tags)) * tagMemory
	}
	if (len(j.items)+len(j.bad))%pointsAtOnce != 1 {
		return nil
	}
	memory := j.memory + pointsAtOnce*pointMemory
	j.memory = 0
	return j.share.take(memory)
}

// badItems returns the bad items, each once: those that could not be read, and those of which the
// agent cannot send a point. points are those, by their positions among the ones that were added.
func (j *judgedPoints) badItems(points []BadItem) []BadItem {
	all := slices.Clone(j.bad)
	for _, p := range points {
		all = append(all, BadItem{j.items[p.Item], p.Err})
	}
	slices.SortStableFunc(all, func(a, b BadItem) int { return a.Item - b.Item })
	return slices.CompactFunc(all, func(a, b BadItem) bool { return a.Item == b.Item })
}
