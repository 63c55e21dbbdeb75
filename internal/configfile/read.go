package configfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Read reads and parses the file at path, and then all PATH.d/*.toml in the order of their
// names, except those that begin with a dot. If several files have a key, the last one counts,
// also for lists.
// Afterwards, ${NAME} and ${file:PATH} in strings are replaced, see
// [File.expand].
func Read(path string) (*File, error) {
	f, err := readOne(path)
	if err != nil {
		return nil, err
	}
	more, err := filesOf(path + ".d")
	if err != nil {
		return nil, fmt.Errorf("read the config: %w", err)
	}
	wrong := &Error{}
	for _, path := range more {
		later, err := readOne(path)
		var faults *Error
		switch {
		case err == nil:
			f.overlay(later)
		case errors.As(err, &faults):
			wrong.Faults = append(wrong.Faults, faults.Faults...)
		default:
			return nil, err
		}
	}
	if len(wrong.Faults) > 0 {
		return nil, wrong
	}
	f.expand(os.LookupEnv)
	return f, nil
}

func readOne(path string) (*File, error) {
	content, err := Content(path)
	if err != nil {
		return nil, fmt.Errorf("read the config: %w", err)
	}
	return Parse(path, content)
}

// filesOf returns the paths of the files in the directory that are read. There are none if it
// does not exist.
func filesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".") {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths, nil
}

// Files returns the paths of the files that were read, in their order.
func (f *File) Files() []string { return f.files }

// overlay replaces values by those of a file that is read later.
func (f *File) overlay(later *File) {
	f.files = append(f.files, later.files...)
	for key, value := range later.values {
		if _, empty := value.(map[string]any); empty && f.where()[key].Line > 0 {
			continue // its section is there already
		}
		f.values[key] = value
		for place := range f.where() {
			if place == key || strings.HasPrefix(place, key+"[") {
				delete(f.where(), place)
			}
		}
	}
	for key, place := range later.where() {
		if _, has := f.where()[key]; !has {
			f.where()[key] = place
		}
	}
}
