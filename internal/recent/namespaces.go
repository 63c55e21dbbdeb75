package recent

import (
	"iter"
	"slices"
	"sync"
)

// everyNamespace stands in a series for the namespaces of the host.
const everyNamespace = ""

// hostNamespaces are the namespaces to which the host's own measurements go. Its zero
// value has none.
type hostNamespaces struct {
	mu  sync.Mutex
	all []hostNamespace // guarded by mu; what is there never changes
}

// hostNamespace is a namespace of the host.
type hostNamespace struct {
	name  string
	since int64 // Unix seconds; what was measured before did not go to it
}

// set sets the namespaces at a time in Unix seconds.
func (h *hostNamespaces) set(names []string, now int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.EqualFunc(h.all, names, func(n hostNamespace, name string) bool { return n.name == name }) {
		return
	}
	all := make([]hostNamespace, len(names))
	for i, name := range names {
		all[i] = hostNamespace{name, now}
		if j := slices.IndexFunc(h.all, func(n hostNamespace) bool { return n.name == name }); j >= 0 {
			all[i].since = h.all[j].since
		}
	}
	h.all = all
}

func (h *hostNamespaces) list() []hostNamespace {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
}

// inNamespaces returns the series that the filter chooses, those of the host once for each of
// its namespaces, in order of namespace and tags.
func inNamespaces(list []labelled, host []hostNamespace, filter Filter) []labelled {
	var found []labelled
	for _, l := range list {
		if l.namespace != everyNamespace {
			if filter.isIn(l.namespace) {
				found = append(found, l)
			}
			continue
		}
		for _, n := range host {
			if l.seen >= n.since && filter.isIn(n.name) {
				l.namespace = n.name
				found = append(found, l)
			}
		}
	}
	slices.SortFunc(found, labelled.compare)
	// Something else may send the host's series to one namespace, too.
	return slices.CompactFunc(found, func(a, b labelled) bool { return a.compareLabels(b) == 0 })
}

// in returns the points with this namespace.
func in(namespace string, points iter.Seq[Point]) iter.Seq[Point] {
	return func(yield func(Point) bool) {
		for p := range points {
			p.Namespace = namespace
			if !yield(p) {
				return
			}
		}
	}
}
