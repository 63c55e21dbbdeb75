package httpapi

import (
	"fmt"
	"slices"

	"github.com/lodastack/agent/internal/postbody"
)

// partlyPoints are points of a body of which the good ones are taken though others are bad. A body
// consists of items, values of lines or data points, and a data point can have several points.
type partlyPoints struct {
	count func(postbody.Point) error // takes the memory of a point
	items []int                      // the item of each point that was added
	bad   []BadItem                  // items that could not be read
}

func newPartlyPoints(expected int, count func(postbody.Point) error) *partlyPoints {
	return &partlyPoints{count: count, items: make([]int, 0, expected)}
}

// BadItem is a value of a line, or a data point, that cannot be sent whole: of a data point with
// several points, the others may have been sent.
type BadItem struct {
	// Item is its position, from 0.
	Item int
	// Name of the point that cannot be sent, as far as it was read.
	Name string
	Err  error
}

func (b BadItem) Error() string {
	return fmt.Sprintf("metric %d (%.100q): %v", b.Item, b.Name, b.Err)
}

// add passes on a point of an item, or records that the item is bad.
func (p *partlyPoints) add(add func(postbody.Point), item int, point postbody.Point, bad error) error {
	if bad != nil {
		p.bad = append(p.bad, BadItem{item, point.Name, bad})
	} else {
		p.items = append(p.items, item)
		add(point)
	}
	return p.count(point)
}

// inItems replaces the positions of points in what the agent has answered by those of their items.
// Each bad item is in Bad once, and in Refused if it is not bad.
func (p *partlyPoints) inItems(posted Posted) Posted {
	all := p.bad
	for _, point := range posted.Bad {
		all = append(all, BadItem{p.items[point.Item], point.Name, point.Err})
	}
	slices.SortStableFunc(all, func(a, b BadItem) int { return a.Item - b.Item })
	posted.Bad = slices.CompactFunc(all, func(a, b BadItem) bool { return a.Item == b.Item })
	if posted.Refused != nil {
		posted.Refused = p.refusedItems(*posted.Refused, posted.Bad)
	}
	return posted
}

// refusedItems returns what was refused, in items in place of points.
func (p *partlyPoints) refusedItems(refused Refused, bad []BadItem) *Refused {
	if len(refused.Indexes) == 0 { // it is not known which
		refused.Points = min(refused.Points, len(slices.Compact(slices.Clone(p.items))))
		return &refused
	}
	var items []int // ascending, as all positions here
	for _, point := range refused.Indexes {
		item := p.items[point]
		_, isBad := slices.BinarySearchFunc(bad, item, func(b BadItem, item int) int { return b.Item - item })
		if !isBad && (len(items) == 0 || items[len(items)-1] != item) {
			items = append(items, item)
		}
	}
	refused.Points, refused.Indexes = len(items), items
	return &refused
}
