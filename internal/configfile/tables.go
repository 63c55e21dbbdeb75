package configfile

import (
	"fmt"
	"slices"
	"strings"
)

// Tables reads a list of tables, [[key]]. It calls read for each; the faults
// of a table are faults of f, under their full key.
func (f *File) Tables(key string, read func(table *File)) {
	f.known[key] = true
	value, ok := f.values[key]
	_, empty := value.(map[string]any)
	if empty || !ok && len(f.Names(key)) > 0 {
		f.Skip(key)
		f.reject(key, "this is a single table; write [["+f.section+key+"]]")
		return
	}
	if !ok {
		return
	}
	list, ok := value.([]any)
	for i, element := range list {
		tree, isTable := element.(map[string]any)
		if !isTable {
			ok = false
			break
		}
		table := &File{
			files: f.files, table: fmt.Sprintf("%s%s[%d].", f.table, key, i), section: f.section + key + ".",
			values: map[string]any{}, known: map[string]bool{}, names: f.names,
		}
		table.flatten("", tree)
		read(table)
		f.faults = append(f.faults, table.allFaults()...)
	}
	if !ok {
		f.wrongType(key, value, "[["+f.section+key+"]] and the keys on lines below it")
	}
}

// Names returns the names of the keys in a section, sorted, for a section
// whose keys are not fixed.
func (f *File) Names(section string) []string {
	f.known[section] = true
	value, given := f.values[section]
	if _, empty := value.(map[string]any); given && !empty {
		f.wrongType(section, value, "["+f.section+section+"] and the keys on lines below it")
	}
	var names []string
	for key := range f.values {
		if name, in := strings.CutPrefix(key, section+"."); in {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
