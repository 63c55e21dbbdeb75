package configfile

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// reference matches $${, which stands for ${, and ${…}.
const reference = `\$\$\{|\$\{[^}]*\}?`

// expand replaces ${NAME} in strings by the variable of the environment, and ${file:PATH}
// by the content of a file, without blanks at its ends. $${ becomes ${. The TOML is parsed
// before that, so a value cannot add keys.
func (f *File) expand(lookup func(name string) (string, bool)) {
	e := expansion{file: f, lookup: lookup, references: regexp.MustCompile(reference)}
	for key, value := range f.values {
		f.values[key] = e.value(key, key, value)
	}
}

// expansion is the replacement of all references of a file.
type expansion struct {
	file       *File
	lookup     func(string) (string, bool)
	references *regexp.Regexp
}

// value returns a value with its references replaced. name is the key's name in the whole
// file, and key its name in messages.
func (e *expansion) value(name, key string, value any) any {
	switch v := value.(type) {
	case string:
		return e.text(name, key, v)
	case []any:
		list := slices.Clone(v)
		for i, element := range list {
			if _, isTable := element.(map[string]any); isTable {
				list[i] = e.value(fmt.Sprintf("%s[%d]", name, i), key, element)
			} else {
				list[i] = e.value(name, key, element)
			}
		}
		return list
	case map[string]any:
		table := make(map[string]any, len(v))
		for k, element := range v {
			table[k] = e.value(name+"."+k, key+"."+k, element)
		}
		return table
	}
	return value
}

func (e *expansion) text(name, key, text string) string {
	return e.references.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$${" {
			return "${"
		}
		value, err := e.resolve(found)
		if err != nil {
			place := e.file.Where(name)
			e.file.faults = append(e.file.faults, Fault{Place: place, Key: key, Reason: err.Error()})
			e.file.rejected[name] = true
		}
		e.file.from[name] = append(e.file.from[name], found)
		return value
	})
}

// resolve returns the text that replaces a reference.
func (e *expansion) resolve(found string) (string, error) {
	name, closed := strings.CutSuffix(strings.TrimPrefix(found, "${"), "}")
	path, isFile := strings.CutPrefix(name, "file:")
	switch {
	case !closed:
		return "", fmt.Errorf("%.80s has no }; write $${ for the text ${", found)
	case isFile:
		return readReference(path)
	case !IsVariable(name):
		return "", fmt.Errorf("%.80s is neither ${NAME} nor ${file:PATH}; write $${ for the text ${", found)
	}
	value, set := e.lookup(name)
	if !set {
		return "", fmt.Errorf("the environment has no variable %s; set it, or write $${ for the text ${", name)
	}
	return value, nil
}

// IsVariable reports whether name can be the name of a variable of the environment: it has
// only letters, digits and _, and does not begin with a digit.
func IsVariable(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func readReference(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("${file:%.80s}: %q is not an absolute path", path, path)
	}
	content, err := Content(path)
	if err != nil {
		return "", fmt.Errorf("${file:%.80s}: %w", path, err)
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return "", errors.New("${file:" + path + "}: the file is empty")
	}
	return text, nil
}

// Reference is a file that a value names by ${file:PATH}.
type Reference struct {
	Key  string // in whose value it is
	Path string
}

// References returns the files that ${file:PATH} names, sorted by key.
func (f *File) References() []Reference {
	var references []Reference
	for _, name := range slices.Sorted(maps.Keys(f.from)) {
		for _, found := range f.from[name] {
			if path, isFile := strings.CutPrefix(strings.TrimSuffix(found, "}"), "${file:"); isFile {
				references = append(references, Reference{name, path})
			}
		}
	}
	return references
}
