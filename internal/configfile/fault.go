package configfile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/editdistance"
)

// Fault is one fault of a file.
type Fault struct {
	// Place of the key. If a key is missing, the place of its section, or the first
	// line.
	Place
	// Key with its section, such as agent.listen. Empty if the file is no
	// TOML.
	Key    string
	Reason string
}

// Error has all faults of a file and of the files that are read after it.
type Error struct {
	Faults []Fault // sorted by file, in the order of reading, and line
}

// Error returns a line for each fault: FILE:LINE: KEY: REASON.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.Place.String() + ": "
		if fault.Key != "" {
			lines[i] += fault.Key + ": "
		}
		lines[i] += fault.Reason
	}
	return strings.Join(lines, "\n")
}

// Concerns reports whether a fault is about one of the keys, or about the whole file.
func (e *Error) Concerns(keys ...string) bool {
	return slices.ContainsFunc(e.Faults, func(f Fault) bool {
		return f.Key == "" || slices.Contains(keys, f.Key)
	})
}

// Fail notes a fault of the value of key, or that it is missing. A value that could not be
// read gets no second fault.
func (f *File) Fail(key, reason string) {
	if f.rejected[f.table+key] {
		return
	}
	f.faults = append(f.faults, Fault{Place: f.Where(key), Key: f.section + key, Reason: reason})
}

// FailFile notes a fault of one of the files as a whole.
func (f *File) FailFile(path, reason string) {
	f.faults = append(f.faults, Fault{Place: Place{path, 1}, Reason: reason})
}

// Where returns the place of key, or else of the section that it belongs to.
func (f *File) Where(key string) Place {
	for key = f.table + key; key != ""; {
		key = strings.TrimSuffix(key, ".")
		if place, known := f.where()[key]; known {
			return place
		}
		key = key[:max(0, strings.LastIndexByte(key, '.'))]
	}
	return Place{f.files[0], 1}
}

// Err returns an [*Error] of all faults, or nil. A key that nothing has read is a fault.
func (f *File) Err() error {
	faults := f.allFaults()
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(slices.Index(f.files, a.File), slices.Index(f.files, b.File)),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	return &Error{Faults: faults}
}

// allFaults returns the faults found so far, and one for each key that has not
// been read.
func (f *File) allFaults() []Fault {
	faults := slices.Clone(f.faults)
	for key, value := range f.values {
		if f.known[key] {
			continue
		}
		_, empty := value.(map[string]any)
		switch section := f.isSection(key); {
		case section && empty:
		case section:
			faults = append(faults, Fault{Place: f.Where(key), Key: f.section + key, Reason: "this is a section; write [" + f.section + key + "] once"})
		default:
			faults = append(faults, Fault{Place: f.Where(key), Key: f.section + key, Reason: f.unknown(key)})
		}
	}
	return faults
}

// Keys returns the keys that have been read so far, sorted, including those that the file
// does not have.
func (f *File) Keys() []string { return slices.Sorted(maps.Keys(f.known)) }

// isSection reports whether known keys begin with key.
func (f *File) isSection(key string) bool {
	for known := range f.known {
		if strings.HasPrefix(known, key+".") {
			return true
		}
	}
	return false
}

// unknown returns the fault of a key that nothing reads. It suggests a similar key.
func (f *File) unknown(key string) string {
	const reason = "no such key"
	best, distance := "", 4
	candidates := maps.Clone(f.known)
	for known := range f.known {
		section, _, _ := strings.Cut(known, ".")
		candidates[section] = true
	}
	for _, known := range slices.Sorted(maps.Keys(candidates)) {
		_, name, _ := strings.Cut(known, ".")
		d := editdistance.Of(key, known)
		if section, _, in := strings.Cut(key, "."); in && name == "" && !candidates[section] && editdistance.Of(section, known) <= 2 {
			d = min(d, 2) // the right key in a section that is misspelt
		}
		if name != "" && (key == name || strings.HasSuffix(key, "."+name)) {
			d = 1 // the right name in the wrong section, or in none
		}
		if d < distance {
			best, distance = known, d
		}
	}
	if best == "" {
		return reason
	}
	return fmt.Sprintf("%s; is %s meant?", reason, f.section+best)
}
