package recent

import (
	"fmt"
	"path"
	"strings"
)

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
	if _, err := path.Match(pattern, ""); err != nil {
		return Filter{}, fmt.Errorf("%.100q is no pattern of names: a [ needs its ]", pattern)
	}
	return Filter{namespace, pattern, strings.ContainsAny(pattern, `*?[\`)}, nil
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
