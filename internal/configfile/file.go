// Package configfile reads a TOML file key by key. It knows the line of each key, so that all
// faults of a file can be reported at once, each with its line.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"
)

// File is a parsed TOML file. Its keys are read with String, Int and so on. A value that
// cannot be read is a fault. [File.Fail] adds faults, and [File.Err] returns all of them. File
// is not safe for concurrent use.
type File struct {
	files []string // that were read, in their order
	// table and section are empty for the whole file. For a table of a list,
	// table is its place ("namespace[0].plugin[1].") and section the prefix of
	// its keys in messages ("namespace.plugin.").
	table, section string

	values map[string]any // by dotted key; of tables only empty ones
	known  map[string]bool
	faults []Fault
	// Of keys and tables by their name in the whole file, which has the place of
	// a table in its list; shared with the tables.
	*names
}

// names has the properties of the keys, by their names in the whole file.
type names struct {
	content  []byte // whose places are not looked up yet; of the file called name
	name     string
	places   map[string]Place    // nil: none is looked up yet
	rejected map[string]bool     // have a value that could not be read
	from     map[string][]string // the ${…} in a value
	settings *[]setting          // nil: they are not wanted
}

// Place is the position of a key.
type Place struct {
	File string
	Line int // from 1
}

// String returns FILE:LINE.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// mostContent bounds a file, in bytes. Nobody writes a larger one by hand.
const mostContent = 16 << 20

// Content returns the content of the file at path. It refuses a device, which may never end,
// and a file of more than 16 MiB. A pipe without a writer is empty.
func Content(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&(fs.ModeDir|fs.ModeDevice) != 0 {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	content, err := io.ReadAll(io.LimitReader(file, mostContent+1))
	if err == nil && len(content) > mostContent {
		err = fmt.Errorf("%s is larger than %d MiB", path, mostContent>>20)
	}
	return content, err
}

// Parse parses content. name stands before the line in errors. A file that is not TOML has
// only its first fault.
func Parse(name string, content []byte) (*File, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // as some editors write it
	var tree map[string]any
	if err := toml.Unmarshal(content, &tree); err != nil {
		fault := Fault{Place: Place{name, 1}, Reason: "not TOML: " + reason(err)}
		var located *toml.DecodeError
		if errors.As(err, &located) {
			fault.Line, _ = located.Position()
			fault.Reason += lineText(content, fault.Line)
		}
		return nil, &Error{Faults: []Fault{fault}}
	}
	f := &File{files: []string{name}, values: map[string]any{}, known: map[string]bool{}, names: &names{
		content: content, name: name, rejected: map[string]bool{}, from: map[string][]string{},
	}}
	f.flatten("", tree)
	return f, nil
}

// where returns the places of all keys. Only messages need them, and to find them takes
// longer than to read the file.
func (n *names) where() map[string]Place {
	if n.places == nil {
		n.places = make(map[string]Place)
		for key, line := range locate(n.content) {
			n.places[key] = Place{n.name, line}
		}
		n.content = nil
	}
	return n.places
}

// lineText quotes a line and names its likely fault.
func lineText(content []byte, line int) string {
	lines := strings.Split(string(content), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	text := fmt.Sprintf(", in `%.100s`", strings.TrimSpace(lines[line-1]))
	if _, value, found := strings.Cut(lines[line-1], "="); found && !strings.ContainsAny(value, "\"'[{") {
		text += `; text stands in quotes: key = "text"`
	}
	return text
}

// reason is the library's sentence without the library's name.
func reason(err error) string { return strings.TrimPrefix(err.Error(), "toml: ") }

// flatten makes tables of tables one table with dotted keys.
func (f *File) flatten(prefix string, tree map[string]any) {
	for key, value := range tree {
		if table, ok := value.(map[string]any); ok && len(table) > 0 {
			f.flatten(prefix+key+".", table)
			continue
		}
		f.values[prefix+key] = value
	}
}

// Has reports whether the file has a value for key.
func (f *File) Has(key string) bool {
	_, has := f.values[key]
	return has
}

// Skip ignores a section that has no meaning any more. It reports whether there
// is one.
func (f *File) Skip(section string) (present bool) {
	for key := range f.values {
		if key == section || strings.HasPrefix(key, section+".") {
			f.known[key] = true
		}
	}
	_, present = f.where()[f.table+section]
	return present
}
