package influxdb

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tag is one tag.
type Tag struct{ Key, Value string }

// Tags are tags in the form in which they are stored. They know the map that they were
// made of, because successive points often share one. They are not safe for concurrent
// use.
type Tags struct {
	from map[string]string
	tags map[string]string
	size int
	err  error
	full bool // nothing is to be added
}

// NewTags does not write to the map, which others may be reading.
func NewTags(from map[string]string) Tags {
	t := Tags{from: from, tags: from}
	if !t.measure() {
		t.tags, t.size, t.err = cleanTags(from), 0, nil
		t.measure()
	}
	return t
}

// measure finds the size of the tags, what is wrong with them, and whether they are clean.
// It does all that in one loop, because a loop over a map is slow.
func (t *Tags) measure() (clean bool) {
	clean = true
	for key, value := range t.tags {
		clean = clean && isClean(key) && isClean(value)
		if IsReservedTag(key) {
			t.err = fmt.Errorf("the tag %q is used by InfluxDB itself: give it another name", key)
		}
		t.size += tagSize(key, value)
	}
	return clean
}

// Of reports whether t was made of this map. Only t may have changed the map since. For an
// empty map it returns false: those tags are quickly made anew.
func (t *Tags) Of(from map[string]string) bool { return SameMap(t.from, from) }

// SameMap reports whether two maps that are not empty are one.
func SameMap(a, b map[string]string) bool {
	return len(a) > 0 && len(b) > 0 && reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// Map returns the tags.
func (t *Tags) Map() map[string]string { return t.tags }

// Size returns how many bytes the tags take in a series, without those that were
// added.
func (t *Tags) Size() int { return t.size }

// Err returns an error if no point can have these tags.
func (t *Tags) Err() error { return t.err }

// Add adds the tags that are missing. It adds them to the map that t was made of, if that
// map needed no change. Only the first call has an effect.
func (t *Tags) Add(added []Tag) {
	if t.full {
		return
	}
	for _, tag := range added {
		if t.tags[tag.Key] != "" {
			continue // not written again: another goroutine may be reading the map
		}
		if t.tags == nil {
			t.tags = make(map[string]string, len(added))
		}
		t.tags[tag.Key] = tag.Value
	}
	t.full = true
}

// IsReservedTag reports whether InfluxDB refuses a tag of this name, or takes it for its
// own.
// https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/#naming-restrictions
func IsReservedTag(key string) bool {
	switch key {
	case "time", "_field", "_measurement":
		return true
	}
	return false
}

// tagSize returns what a tag takes in line protocol, in bytes.
func tagSize(key, value string) int {
	return len(key) + len(value) + len(",=") + escaped(key) + escaped(value)
}

// escaped returns the number of characters that line protocol escapes in a
// clean tag. Most have none.
func escaped(s string) (n int) {
	for i := range len(s) {
		if s[i] == ',' || s[i] == '=' {
			n++
		}
	}
	return n
}

func cleanTags(t map[string]string) map[string]string {
	clean := make(map[string]string, len(t)+1)
	for key, value := range t {
		key, value = CleanTag(key), CleanTag(value)
		if key != "" && value != "" {
			clean[key] = value
		}
	}
	return clean
}

// isClean is a quick look: false means only that CleanTag has to decide.
func isClean(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != "" && s[len(s)-1] != '\\'
}

// CleanTag changes s so that line protocol can express it: it has no form for control
// characters, nor for a backslash at the end.
func CleanTag(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = strings.TrimRight(strings.TrimSpace(s), `\`)
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, s)
}
