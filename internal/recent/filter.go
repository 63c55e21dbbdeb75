package recent

import (
	"fmt"
	"path"
	"strings"
)

// special are the characters that have a meaning in a glob.
const special = `*?[\`

// maxPattern bounds what it costs to look whether a point is chosen, in bytes.
const maxPattern = 256

// Filter chooses points. Its zero value chooses all.
type Filter struct {
	namespace string
	pattern   string
	glob      bool
}

// NewFilter returns a filter for the points of a namespace whose name matches the
// pattern: a glob ([path.Match]), or a name without *, ? and [, which stands for
// itself and for all names below it: cpu for cpu.idle, too. Empty: all.
func NewFilter(namespace, pattern string) (Filter, error) {
	if len(pattern) > maxPattern {
		return Filter{}, fmt.Errorf("%.100q… has %d bytes; a pattern of names has at most %d", pattern, len(pattern), maxPattern)
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return Filter{}, fmt.Errorf("%.100q is no pattern of names: a [ needs its ]", pattern)
	}
	return Filter{namespace, pattern, strings.ContainsAny(pattern, special)}, nil
}

// Matches tells whether the filter chooses points of this namespace and name.
func (f Filter) Matches(namespace, name string) bool {
	if f.namespace != "" && f.namespace != namespace {
		return false
	}
	if !f.glob {
		rest, ok := strings.CutPrefix(name, f.pattern)
		return f.pattern == "" || ok && (rest == "" || rest[0] == '.')
	}
	ok, _ := path.Match(f.pattern, name) // NewFilter has looked at the pattern
	return ok
}

// mayMatch tells whether the filter may choose a point of this namespace whose name
// begins with prefix.
func (f Filter) mayMatch(namespace, prefix string) bool {
	if f.namespace != "" && f.namespace != namespace {
		return false
	}
	begins := f.pattern
	if i := strings.IndexAny(begins, special); i >= 0 {
		begins = begins[:i]
	}
	return strings.HasPrefix(begins, prefix) || strings.HasPrefix(prefix, begins)
}
