package agent

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tagSet is the normalised form of a metric's tags. Metrics that follow each
// other often share theirs.
type tagSet struct {
	from map[string]string // what it was made of
	tags map[string]string
	size int   // of from in line protocol, in bytes
	err  error // why no metric can have them
	full bool  // nothing is to be added
}

// normaliseTags does not write to the map, which others may be reading.
func normaliseTags(tags map[string]string) tagSet {
	s := tagSet{from: tags, tags: tags}
	for key, value := range tags {
		if !isCleanTag(key) || !isCleanTag(value) {
			s.tags = cleanTags(tags)
			break
		}
	}
	for key, value := range s.tags {
		if isReservedTag(key) {
			s.err = fmt.Errorf("the tag %q has a meaning of its own in InfluxDB: give it another name", key)
		}
		s.size += tagSize(key, value)
	}
	return s
}

// isOf tells whether the set was made of this map. The set of the empty one is
// quickly made anew.
func (s *tagSet) isOf(tags map[string]string) bool {
	return s.from != nil && reflect.ValueOf(s.from).Pointer() == reflect.ValueOf(tags).Pointer()
}

// add adds the tags that the set lacks, in the map it was made of where that
// is clean.
func (s *tagSet) add(tags []tag) {
	if s.full {
		return
	}
	for _, t := range tags {
		if s.tags[t.key] != "" {
			continue // not written again: another goroutine may be reading the map
		}
		if s.tags == nil {
			s.tags = make(map[string]string, len(tags))
		}
		s.tags[t.key] = t.value
	}
	s.full = true
}

// isReservedTag tells whether InfluxDB refuses a tag of this name, or mistakes
// it for its own.
// https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/#naming-restrictions
func isReservedTag(key string) bool {
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
		key, value = cleanTag(key), cleanTag(value)
		if key != "" && value != "" {
			clean[key] = value
		}
	}
	return clean
}

// isCleanTag is a quick look: false means only that cleanTag has to decide.
func isCleanTag(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != "" && s[len(s)-1] != '\\'
}

// cleanTag makes s fit for line protocol, which has no form for control
// characters and for a backslash at the end.
func cleanTag(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = strings.TrimRight(strings.TrimSpace(s), `\`)
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, s)
}
