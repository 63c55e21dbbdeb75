//go:build linux

package main

import "strings"

// rule says how to make our value of what somebody else has.
type rule struct {
	// theirs is the value in the scrapes; false if it is not there.
	theirs func(scrapes) (float64, bool)
	// slack is a difference that says nothing, in the unit of the value: rounding, or what
	// happens between the two readings.
	slack float64
	// why explains a larger difference. Empty: nothing does.
	why string
}

// scrapes are what node_exporter said at both moments, and the tags of our value.
type scrapes struct {
	before, after scrape
	tags          map[string]string
}

// at returns the key with $TAG replaced by the value of the tag.
func (s scrapes) at(key string) string {
	for tag, value := range s.tags {
		key = strings.ReplaceAll(key, "$"+tag, value)
	}
	return key
}

func (s scrapes) gauge(keys ...string) (sum float64, ok bool) {
	for _, key := range keys {
		value, has := s.after[s.at(key)]
		sum, ok = sum+value, ok || has
	}
	return sum, ok
}

func (s scrapes) increase(keys ...string) (sum float64, ok bool) {
	for _, key := range keys {
		before, has1 := s.before[s.at(key)]
		after, has2 := s.after[s.at(key)]
		sum, ok = sum+after-before, ok || has1 && has2
	}
	return sum, ok
}

func (s scrapes) seconds() float64 { return s.after["scraped"] - s.before["scraped"] }

// gauge is the sum of values, times a factor.
func gauge(slack, factor float64, keys ...string) rule {
	return rule{slack: slack, theirs: func(s scrapes) (float64, bool) {
		value, ok := s.gauge(keys...)
		return factor * value, ok
	}}
}

// rate is the sum of counters per second, times a factor.
func rate(slack, factor float64, keys ...string) rule {
	return rule{slack: slack, theirs: func(s scrapes) (float64, bool) {
		value, ok := s.increase(keys...)
		return factor * value / s.seconds(), ok
	}}
}

// quotient is the increase of some counters in that of others, times a factor.
func quotient(slack, factor float64, of, in []string) rule {
	return rule{slack: slack, theirs: func(s scrapes) (float64, bool) {
		above, ok1 := s.increase(of...)
		below, ok2 := s.increase(in...)
		if below == 0 {
			return 0, ok1 && ok2
		}
		return factor * above / below, ok1 && ok2
	}}
}

// part is the share of a value that another one leaves, in percent.
func part(slack float64, left, whole string) rule {
	return rule{slack: slack, theirs: func(s scrapes) (float64, bool) {
		l, ok1 := s.gauge(left)
		w, ok2 := s.gauge(whole)
		return 100 * (w - l) / w, ok1 && ok2 && w > 0
	}}
}

// less is one value without another, times a factor.
func less(slack, factor float64, whole, without string) rule {
	return rule{slack: slack, theirs: func(s scrapes) (float64, bool) {
		w, ok1 := s.gauge(whole)
		l, ok2 := s.gauge(without)
		return factor * (w - l), ok1 && ok2
	}}
}

// cpu is the share of all processors' time in a mode.
func cpu(mode string) rule {
	return rule{slack: 0.5, theirs: func(s scrapes) (float64, bool) {
		var in, all float64
		for key := range s.after {
			if strings.HasPrefix(key, "node_cpu_seconds_total{") {
				time, _ := s.increase(key)
				all += time
				if strings.Contains(key, `mode="`+mode+`"`) {
					in += time
				}
			}
		}
		return 100 * in / all, all > 0
	}}
}

// but explains why the value of a rule may differ.
func (r rule) but(why string) rule {
	r.why = why
	return r
}

// mount returns a value of the file system at the mount point of our value.
func (s scrapes) mount(name string) (float64, bool) {
	for key, value := range s.after {
		if strings.HasPrefix(key, "node_filesystem_"+name+"{") && strings.Contains(key, `mountpoint="`+s.tags["mount"]+`"`) {
			return value, true
		}
	}
	return 0, false
}
