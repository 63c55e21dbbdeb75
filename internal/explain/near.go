package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/editdistance"
)

// mostNear is how many similar names are given.
const mostNear = 3

// names returns all names that can be explained, sorted.
func (f Facts) names() []string {
	names := slices.Clone(f.Namespaces)
	for _, m := range f.Measurements {
		if !strings.Contains(m.Name, "NAME") {
			names = append(names, m.Name)
		}
	}
	for _, item := range f.Items {
		names = append(names, item.Name)
	}
	for _, p := range f.Plugins {
		names = append(names, p.Name, p.Namespace+"/"+p.Repo)
	}
	names = append(names, f.Names...)
	slices.Sort(names)
	return slices.Compact(names)
}

// near returns the names that are most like the given one.
func near(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	wanted := strings.ToLower(name)
	var found []candidate
	for _, n := range names {
		is := strings.ToLower(n)
		d := editdistance.Of(wanted, is)
		if d > max(1, len(wanted)/3) {
			if wanted == "" || !strings.Contains(is, wanted) {
				continue
			}
			d += len(wanted) // a slip of the pen is likelier than half a name
		}
		found = append(found, candidate{n, d})
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var likest []string
	for _, c := range found[:min(len(found), mostNear)] {
		likest = append(likest, c.name)
	}
	return likest
}
