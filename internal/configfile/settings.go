package configfile

import (
	"fmt"
	"strconv"
	"strings"
)

// Setting is a key with the value that is in force.
type Setting struct {
	// Key in the whole file, such as agent.listen or policy.plugin[0].match.
	Key string
	// Value as TOML writes it. It may contain secrets.
	Value string
	// Place of the value; zero for a default.
	Place Place
	// From are the references ${…} that were replaced in the value.
	From []string
}

// setting is a key that was read, with a function that shows its value.
type setting struct {
	key   string
	value func() string
}

// KeepSettings keeps the settings that are read from now on, for [File.Settings].
func (f *File) KeepSettings() { f.settings = new([]setting) }

// note keeps a setting.
func (f *File) note(key string, value func() string) {
	if f.settings != nil {
		*f.settings = append(*f.settings, setting{f.table + key, value})
	}
}

// Settings returns the settings that were read, in the order of reading, with their present
// values.
func (f *File) Settings() []Setting {
	var all []Setting
	for _, s := range *f.settings {
		shown := Setting{Key: s.key, Value: s.value(), From: f.from[s.key]}
		if place, given := f.where()[s.key]; given {
			shown.Place = place
		}
		all = append(all, shown)
	}
	return all
}

// showList returns a list of strings as TOML writes it.
func showList(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = strconv.Quote(text)
	}
	if len(quoted) == 0 {
		return "[]"
	}
	return "[ " + strings.Join(quoted, ", ") + " ]"
}

// showSize returns a number of bytes with the largest unit that fits.
func showSize(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	unit := 0
	for bytes != 0 && bytes%1024 == 0 && unit < len(units)-1 {
		bytes /= 1024
		unit++
	}
	if unit == 0 {
		return strconv.FormatInt(bytes, 10)
	}
	return strconv.Quote(fmt.Sprintf("%d%s", bytes, units[unit]))
}
