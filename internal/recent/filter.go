package recent

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// special are the characters that have a meaning in a glob.
const special = `*?[\`

// maxPattern bounds what it costs to look whether a point is chosen, in bytes.
const maxPattern = 512

// Filter chooses points. Its zero value chooses all.
type Filter struct {
	namespace string
	patterns  []pattern // empty: all names
}

// pattern chooses names.
type pattern struct {
	text string
	glob bool
}

// NewFilter returns a filter for the points of a namespace whose name matches one of
// the patterns, which commas separate: a glob ([path.Match]), or a name without *, ?
// and [, which stands for itself and for all names below it: cpu for cpu.idle, too.
// Empty: all.
func NewFilter(namespace, patterns string) (Filter, error) {
	if len(patterns) > maxPattern {
		return Filter{}, fmt.Errorf("%.100q… has %d bytes; patterns of names have at most %d", patterns, len(patterns), maxPattern)
	}
	f := Filter{namespace: namespace}
	if patterns == "" {
		return f, nil
	}
	for text := range strings.SplitSeq(patterns, ",") {
		if _, err := path.Match(text, ""); err != nil {
			return Filter{}, fmt.Errorf("%.100q is no pattern of names: a [ needs its ]", text)
		}
		f.patterns = append(f.patterns, pattern{text, strings.ContainsAny(text, special)})
	}
	return f, nil
}

// Matches reports whether the filter chooses points of this namespace and name.
func (f Filter) Matches(namespace, name string) bool {
	return f.chooses(namespace, func(p pattern) bool { return p.matches(name) })
}

// mayMatch reports whether the filter may choose a point of this namespace whose name
// begins with prefix.
func (f Filter) mayMatch(namespace, prefix string) bool {
	return f.chooses(namespace, func(p pattern) bool { return p.mayMatch(prefix) })
}

func (f Filter) chooses(namespace string, matches func(pattern) bool) bool {
	if f.namespace != "" && f.namespace != namespace {
		return false
	}
	return len(f.patterns) == 0 || slices.ContainsFunc(f.patterns, matches)
}

func (p pattern) matches(name string) bool {
	if !p.glob {
		rest, ok := strings.CutPrefix(name, p.text)
		return ok && (rest == "" || rest[0] == '.')
	}
	ok, _ := path.Match(p.text, name) // NewFilter has looked at the pattern
	return ok
}

func (p pattern) mayMatch(prefix string) bool {
	begins := p.text
	if i := strings.IndexAny(begins, special); i >= 0 {
		begins = begins[:i]
	}
	return strings.HasPrefix(begins, prefix) || strings.HasPrefix(prefix, begins)
}
