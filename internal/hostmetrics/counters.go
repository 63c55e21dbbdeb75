package hostmetrics

import (
	"maps"
	"slices"
	"strings"
)

// counter is a counter of a device. Its rate per second, times scale, is the
// measurement name.
type counter struct {
	name  string
	value uint64
	scale float64
}

// counterRates turns counters of the host into rates.
type counterRates struct {
	before []counter
	clock  stopwatch
}

// add adds the rates of the counters that were among those of the last round, too. A kernel
// need not have them all.
func (r *counterRates) add(p *points, now []counter) {
	seconds := r.clock.lap()
	for _, c := range now {
		for _, before := range r.before {
			if before.name == c.name {
				p.addRate(c.name, before.value, c.value, seconds, c.scale, nil)
			}
		}
	}
	r.before = append(r.before[:0], now...)
}

// deviceRates turns the counters of devices into rates, for systems other than
// Linux.
type deviceRates struct {
	tag    string // names the device in the points
	clock  stopwatch
	before map[string][]counter
}

// add adds the rates since the last call. A device that is new has none yet.
func (d *deviceRates) add(p *points, devices map[string][]counter) {
	seconds := d.clock.lap()
	for name, now := range devices {
		before := d.before[name]
		tags := map[string]string{d.tag: name}
		for i := range min(len(before), len(now)) {
			p.addRate(now[i].name, before[i].value, now[i].value, seconds, now[i].scale, tags)
		}
	}
	d.before = maps.Clone(devices)
}

// cpuState is how many seconds a processor, or all together, spent in a state,
// whose share is the measurement name.
type cpuState struct {
	name    string
	seconds float64
}

// addCPUShares adds the share of each state in percent. There are none if a
// state went backwards.
func (p *points) addCPUShares(before, now []cpuState, tags map[string]string) {
	if len(before) != len(now) {
		return
	}
	whole := 0.0
	for i := range now {
		grown := now[i].seconds - before[i].seconds
		if grown < 0 {
			return
		}
		whole += grown
	}
	for i := range now {
		if now[i].name != "" && whole > 0 {
			p.add(now[i].name, 100*(now[i].seconds-before[i].seconds)/whole, tags)
		}
	}
}

// wantedInterface reports whether a network interface is measured: one of those
// whose names begin with a prefix, or else all but loopback.
func wantedInterface(name string, prefixes []string) bool {
	if len(prefixes) == 0 {
		lower := strings.ToLower(name)
		return !strings.Contains(lower, "loopback") && strings.TrimRight(lower, "0123456789") != "lo"
	}
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
