package explain

import (
	"cmp"
	"slices"
	"strings"
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
	for _, s := range f.Series {
		names = append(names, s.Name)
	}
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
		d := distance(wanted, is)
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

// distance is Levenshtein's: how many bytes have to be inserted, deleted or replaced to make
// one text of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
