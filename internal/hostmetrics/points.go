package hostmetrics

import (
	"math"

	"github.com/lodastack/agent"
)

// points is the result of one collection. Points may share a tag map.
type points []agent.Metric

// add appends a measurement. A value that is not a number (such as 0/0) is left
// out.
func (p *points) add(name string, value float64, tags map[string]string) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	*p = append(*p, agent.Metric{Name: name, Tags: tags, Value: value})
}

// addRate appends the growth of a counter per second, times scale. A counter
// that went backwards has wrapped or was reset, and yields no point.
func (p *points) addRate(name string, before, now uint64, seconds, scale float64, tags map[string]string) {
	if now < before || seconds <= 0 {
		return
	}
	p.add(name, float64(now-before)*scale/seconds, tags)
}
