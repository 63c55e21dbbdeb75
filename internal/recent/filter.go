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
	kind patternKind
}

// patternKind is which names a pattern chooses.
type patternKind uint8

const (
	tree  patternKind = iota // its text, and all names below it
	glob                     // those that match
	exact                    // its text
)

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
		kind := tree
		if strings.ContainsAny(text, special) {
			kind = glob
		}
		f.patterns = append(f.patterns, pattern{text, kind})
	}
	return f, nil
}

// Named returns a filter for the points of all namespaces with this name.
func Named(name string) Filter {
	return Filter{patterns: []pattern{{name, exact}}}
}

// Matches reports whether the filter chooses points of this namespace and name.
func (f Filter) Matches(namespace, name string) bool {
	return f.isIn(namespace) && f.chooses(name)
}

// isIn reports whether the filter chooses points of this namespace.
func (f Filter) isIn(namespace string) bool {
	return f.namespace == "" || f.namespace == namespace
}

// chooses reports whether the filter chooses points of this name.
func (f Filter) chooses(name string) bool {
	return f.anyPattern(func(p pattern) bool { return p.matches(name) })
}

// mayMatch reports whether the filter may choose a point of this namespace whose name
// begins with prefix.
func (f Filter) mayMatch(namespace, prefix string) bool {
	return f.isIn(namespace) && f.anyPattern(func(p pattern) bool { return p.mayMatch(prefix) })
}

func (f Filter) anyPattern(matches func(pattern) bool) bool {
	return len(f.patterns) == 0 || slices.ContainsFunc(f.patterns, matches)
}

func (p pattern) matches(name string) bool {
	switch p.kind {
	case glob:
		ok, _ := path.Match(p.text, name) // NewFilter has looked at the pattern
		return ok
	case exact:
		return name == p.text
	default:
		rest, ok := strings.CutPrefix(name, p.text)
		return ok && (rest == "" || rest[0] == '.')
	}
}

func (p pattern) mayMatch(prefix string) bool {
	begins := p.text
	if i := strings.IndexAny(begins, special); i >= 0 {
		begins = begins[:i]
	}
	return strings.HasPrefix(begins, prefix) || strings.HasPrefix(prefix, begins)
}
