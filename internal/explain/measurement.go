package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/schedule"
	"github.com/lodastack/agent/internal/terminal"
)

// posts begins the names of what other programs post.
const posts = "RUN."

// hostMeasurement explains what a collector measures of the host for all namespaces.
func (x *explanation) hostMeasurement() bool {
	i := slices.IndexFunc(x.known.Measurements, func(m Measurement) bool { return m.Name == x.Name })
	if i < 0 {
		return false
	}
	m := x.known.Measurements[i]
	x.What = Metric
	x.Facts.Measurements = []Measurement{m}
	if !x.hasNamespaces() {
		return true
	}
	x.say("The host's own measurements go to each of its namespaces: %s", list(x.known.Namespaces))
	if x.collected(m) {
		x.delivery(x.known.Namespaces)
	}
	return true
}

// item explains the measurement of a port or process that the registry assigns.
func (x *explanation) item() bool {
	var found Item
	var namespaces []string
	for _, item := range x.known.Items {
		if !below(x.Name, item.Name) || len(item.Name) < len(found.Name) {
			continue
		}
		if item.Name != found.Name {
			namespaces, x.Facts.Items = nil, nil
		}
		found = item
		namespaces = append(namespaces, item.Namespace)
		x.Facts.Items = append(x.Facts.Items, item)
	}
	if found.Name == "" {
		return false
	}
	x.What = Metric
	x.say("The registry assigns %s to %s", found.Name, inNamespaces(namespaces))
	if x.collected(x.described(found)) {
		x.delivery(namespaces)
	}
	return true
}

// described returns what is known of the measurement of an item. That its kind is off is known
// of each.
func (x *explanation) described(item Item) Measurement {
	is := Measurement{Kind: item.Kind, Name: x.Name}
	for _, m := range x.known.Measurements {
		if m.Kind != item.Kind {
			continue
		}
		is.Off = m.Off
		if strings.Replace(m.Name, "NAME", item.Name, 1) == x.Name {
			is.Absent = m.Absent
		}
	}
	return is
}

// below reports whether a name is the other one, or begins with it and a dot.
func below(name, other string) bool { return name == other || strings.HasPrefix(name, other+".") }

// inNamespaces names the namespaces in a sentence.
func inNamespaces(namespaces []string) string {
	if len(namespaces) == 1 {
		return "the namespace " + namespaces[0]
	}
	return "the namespaces " + list(namespaces)
}

// collected explains who makes the measurement of a collector, and when it was last made. It
// returns false if it was not.
func (x *explanation) collected(m Measurement) bool {
	i := slices.IndexFunc(x.known.Collectors, func(c Collector) bool { return c.Kind == m.Kind })
	switch {
	case m.Off != "":
		x.because("Nothing measures it here: %s", m.Off)
		return false
	case i < 0:
		x.because("This agent has no collector of its kind %s", m.Kind)
		return false
	}
	c := x.known.Collectors[i]
	x.Facts.Collectors = []Collector{c}
	if c.Interval == 0 {
		x.because("No namespace of this host assigns its kind %s, which has no interval of its own", m.Kind)
		return false
	}
	x.say("The collector of the kind %s makes it every %s", c.Kind, every(c.Interval))
	x.leftOut(m)
	return x.ran(c, m)
}

// leftOut says what the measurement does not have, and why.
func (x *explanation) leftOut(m Measurement) {
	if m.LeftOut == nil {
		return
	}
	if left := m.LeftOut(); len(left) > 0 {
		x.say("It leaves out %s", brief(strings.Join(left, "; ")))
	}
}

// ran explains when the collector last made the measurement. It returns false if it did not.
func (x *explanation) ran(c Collector, m Measurement) bool {
	last := x.newest("")
	age := x.known.Now.Sub(c.LastRun)
	hangs := c.Running && schedule.Hangs(terminal.Seconds(c.Interval), age)
	switch {
	case c.Runs == 0 || c.LastRun.IsZero():
		x.because("The collector has not run yet")
	case hangs:
		x.because("The collector hangs: its run began %s and has not ended", x.ago(c.LastRun))
	case x.isFresh(last, c.Interval):
		x.made(last)
		if c.Error != "" {
			x.say("A part of what the collector measures failed in the last run: %s", brief(c.Error))
		}
		return true
	case c.Running && c.Runs == 1:
		x.because("The collector is in its first run, which began %s", x.ago(c.LastRun))
	case c.Error != "":
		x.because("The collector failed in its last run, %s: %s", x.ago(c.LastRun), brief(c.Error))
	case c.Invalid != "":
		x.because("The collector made a metric that cannot be sent in its last run, %s: %s", x.ago(c.LastRun), brief(c.Invalid))
	case !x.known.Remembers:
		x.say("The collector ran %s and made %s", x.ago(c.LastRun), counted(c.Points, "point"))
		x.say("Whether this measurement was among them is not known, because the agent remembers no points: api.page is false")
		return true
	default:
		x.because("The collector ran %s and made %s, but not this measurement%s", x.ago(c.LastRun), counted(c.Points, "point"), before(x, last))
		if m.Absent != "" {
			x.say("It is absent when %s", m.Absent)
		}
	}
	return false
}

// before says when a measurement passed for the last time.
func before(x *explanation, last *Series) string {
	if last == nil {
		return ""
	}
	return ", which was last made " + x.ago(time.Unix(last.Time, 0))
}

// newest returns the series of the name with the newest value, of a namespace if one is
// given. Nil: none passed.
func (x *explanation) newest(namespace string) (newest *Series) {
	for i, s := range x.Facts.Series {
		if (namespace == "" || s.Namespace == namespace) && (newest == nil || s.Time > newest.Time) {
			newest = &x.Facts.Series[i]
		}
	}
	return newest
}

// isFresh reports whether the value is of one of the last two intervals.
func (x *explanation) isFresh(s *Series, interval float64) bool {
	return s != nil && x.known.Now.Sub(time.Unix(s.Time, 0)) <= 2*terminal.Seconds(interval)+time.Second
}

// made says when the measurement was last made.
func (x *explanation) made(last *Series) {
	value := fmt.Sprint(last.Value)
	if text, ok := last.Value.(string); ok {
		value = fmt.Sprintf("%.100q", text)
	}
	x.say("It was last made %s; the value was %s", x.ago(time.Unix(last.Time, 0)), value)
}

// posted explains what other programs post.
func (x *explanation) posted() bool {
	if !strings.HasPrefix(x.Name, posts) {
		return false
	}
	x.What = Metric
	refused := x.known.RefusedPost
	if refused != nil && refused.Name != x.Name {
		refused = nil
	}
	x.Facts.RefusedPost = refused
	last := x.newest("")
	x.say("Names that begin with RUN. are of metrics that other programs post to this agent")
	x.statsd()
	switch {
	case refused != nil && (last == nil || refused.Time.Unix() >= last.Time):
		what := "was refused as a whole"
		if refused.Partly {
			what = "was taken without it"
		}
		x.because("The last post with it, %s to the namespace %s, %s: %s", x.ago(refused.Time), refused.Namespace, what, brief(refused.Error))
	case last != nil:
		namespaces := x.seenIn()
		x.say("Programs post it to %s", inNamespaces(namespaces))
		x.made(last)
		x.delivery(namespaces)
	case !x.known.Remembers:
		x.because("Whether a program posts it is not known, because the agent remembers no points: api.page is false")
	default:
		x.because("No program has posted it, as far as the agent remembers")
		x.say("It takes metrics at /post, /write and /v1/metrics")
	}
	return true
}

// statsd says what is known of the statsd listener, by which a posted metric may come, too.
func (x *explanation) statsd() {
	s := x.known.Statsd
	if x.Facts.Statsd = s; s == nil {
		return
	}
	x.say("They can come by statsd, too, at %s, which has read %d packets; a sample is sent within 10s", s.Address, s.Packets)
	if lost := s.PacketsDropped + s.SamplesDropped + s.BadLines + s.PointsLost; lost > 0 {
		x.say("Of statsd, %d packets were dropped by the kernel, %d samples had no room, %d lines were bad, and %d points were lost",
			s.PacketsDropped, s.SamplesDropped, s.BadLines, s.PointsLost)
	}
	for _, problem := range s.Problems {
		x.say("statsd: %s", problem)
	}
}

// seenIn returns the namespaces in which the name has passed.
func (x *explanation) seenIn() (namespaces []string) {
	for _, s := range x.Facts.Series {
		namespaces = append(namespaces, s.Namespace)
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

// otherSeries explains what passed, although nothing says who makes it.
func (x *explanation) otherSeries() bool {
	last := x.newest("")
	if last == nil {
		return false
	}
	x.What = Metric
	namespaces := x.seenIn()
	x.say("Points of this name went to %s; what makes them is not known", inNamespaces(namespaces))
	x.made(last)
	x.delivery(namespaces)
	return true
}
