package configfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// value returns the file's value of key, and marks the key as known.
func (f *File) value(key string) (any, bool) {
	f.known[key] = true
	if value, ok := f.values[key]; ok {
		return value, true
	}
	for other := range f.values {
		if strings.HasPrefix(other, key+".") {
			f.reject(key, "this is a section; write one value")
			break
		}
	}
	return nil, false
}

// reject notes why the value of key cannot be read. The key gets no other fault.
func (f *File) reject(key, reason string) {
	f.Fail(key, reason)
	f.rejected[f.table+key] = true
}

// wrongType notes that value has the wrong type.
func (f *File) wrongType(key string, value any, want string) {
	f.reject(key, fmt.Sprintf("%s is %s; write %s", show(value), typeName(value), want))
}

// String reads a string. An empty one counts as missing.
func (f *File) String(key string, into *string) {
	f.note(key, func() string { return strconv.Quote(*into) })
	value, ok := f.value(key)
	if !ok {
		return
	}
	s, ok := value.(string)
	switch {
	case !ok:
		f.wrongType(key, value, `a string in quotes`)
	case s != "":
		*into = s
	}
}

// StringOrStrings reads a string, or a list of strings. An empty string counts as missing.
func (f *File) StringOrStrings(key string, into *[]string) {
	if value, ok := f.values[key].(string); ok {
		f.note(key, func() string { return strconv.Quote(value) })
		if f.value(key); value != "" {
			*into = []string{value}
		}
		return
	}
	f.strings(key, into, `a string in quotes, or a list of them`)
}

// Strings reads a list of strings.
func (f *File) Strings(key string, into *[]string) {
	f.strings(key, into, `a list of strings, [ "…", "…" ]`)
}

func (f *File) strings(key string, into *[]string, want string) {
	f.note(key, func() string { return showList(*into) })
	value, ok := f.value(key)
	if !ok {
		return
	}
	list, ok := value.([]any)
	if !ok {
		f.wrongType(key, value, want)
		return
	}
	strs := make([]string, 0, len(list))
	for _, element := range list {
		s, ok := element.(string)
		if !ok {
			f.wrongType(key, element, want)
			return
		}
		strs = append(strs, s)
	}
	*into = strs
}

// Bool reads true or false.
func (f *File) Bool(key string, into *bool) {
	f.note(key, func() string { return strconv.FormatBool(*into) })
	value, ok := f.value(key)
	if !ok {
		return
	}
	b, ok := value.(bool)
	if !ok {
		f.wrongType(key, value, "true or false")
		return
	}
	*into = b
}

// Int reads a whole number from least to most.
func (f *File) Int(key string, into *int, least, most int) {
	f.note(key, func() string { return strconv.Itoa(*into) })
	value, ok := f.value(key)
	if !ok {
		return
	}
	n, ok := value.(int64)
	switch {
	case !ok:
		f.wrongType(key, value, "a whole number")
	case n < int64(least) || n > int64(most):
		f.reject(key, fmt.Sprintf("%d is out of bounds; write %d to %d", n, least, most))
	default:
		*into = int(n)
	}
}

// Float reads a number from least to most, with or without a fraction.
func (f *File) Float(key string, into *float64, least, most float64) {
	f.note(key, func() string { return strconv.FormatFloat(*into, 'f', -1, 64) })
	value, ok := f.value(key)
	if !ok {
		return
	}
	n, ok := value.(float64)
	if whole, isWhole := value.(int64); isWhole {
		n, ok = float64(whole), true
	}
	switch {
	case !ok:
		f.wrongType(key, value, "a number")
	case !(n >= least && n <= most): // NaN too
		f.reject(key, fmt.Sprintf("%v is out of bounds; write %v to %v", n, least, most))
	default:
		*into = n
	}
}

// Size reads a number of bytes from least to most, written as a whole number
// or with a unit, "100MiB".
func (f *File) Size(key string, into *int64, least, most int64) {
	f.note(key, func() string { return showSize(*into) })
	value, ok := f.value(key)
	if !ok {
		return
	}
	const want = `a number of bytes, or one with a unit such as "100MiB"`
	n, ok := value.(int64)
	s, isString := value.(string)
	if isString {
		n, ok = parseSize(s)
	}
	switch {
	case !ok && isString:
		f.reject(key, fmt.Sprintf("%q is not a size; write %s", s, want))
	case !ok:
		f.wrongType(key, value, want)
	case n < least || n > most:
		f.reject(key, fmt.Sprintf("%d bytes are out of bounds; write %d to %d", n, least, most))
	default:
		*into = n
	}
}

// parseSize reads a size such as 100MiB, 1.5 GB or 4096.
func parseSize(s string) (int64, bool) {
	number := strings.TrimRight(s, "KMGTiBkb")
	unit := int64(1)
	switch strings.TrimSpace(s[len(number):]) {
	case "", "B":
	case "KiB":
		unit = 1 << 10
	case "MiB":
		unit = 1 << 20
	case "GiB":
		unit = 1 << 30
	case "TiB":
		unit = 1 << 40
	case "kB", "KB":
		unit = 1e3
	case "MB":
		unit = 1e6
	case "GB":
		unit = 1e9
	case "TB":
		unit = 1e12
	default:
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if bytes := n * float64(unit); err == nil && bytes >= 0 && bytes < 1<<62 {
		return int64(bytes), true
	}
	return 0, false
}

// wantTime says how a time is written.
const wantTime = `a time with its unit, such as "90s" or "10m", or a number of seconds`

// Duration reads a time from least to most, written with its unit ("90s",
// "10m") or as a number of seconds.
func (f *File) Duration(key string, into *time.Duration, least, most time.Duration) {
	f.note(key, func() string { return strconv.Quote(short(*into)) })
	d, given, err := f.Time(key)
	switch {
	case !given:
	case err != nil:
		f.reject(key, err.Error())
	case d < least || d > most:
		f.reject(key, fmt.Sprintf("%v is out of bounds; write %s to %s", show(f.values[key]), short(least), short(most)))
	default:
		*into = d
	}
}

// Time reads a time as Duration does. It returns an error to the caller, and notes no fault
// of the file.
func (f *File) Time(key string) (d time.Duration, given bool, err error) {
	value, ok := f.value(key)
	if !ok {
		return 0, false, nil
	}
	switch v := value.(type) {
	case string:
		if d, err = time.ParseDuration(v); err != nil {
			return 0, true, fmt.Errorf("%.80q is not a time; write %s", v, wantTime)
		}
		return d, true, nil
	case int64:
		const most = int64(math.MaxInt64 / time.Second)
		return time.Duration(min(max(v, -most), most)) * time.Second, true, nil
	}
	return 0, true, fmt.Errorf("%.80s is %s; write %s", show(value), typeName(value), wantTime)
}

// short writes a duration without the units that are zero.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// show returns value as a file would have it.
func show(value any) string {
	if s, ok := value.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(value)
}

// typeName names the type of value in TOML's words.
func typeName(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "a truth value"
	case []any:
		return "a list"
	case map[string]any:
		return "a section"
	case time.Time, toml.LocalDate, toml.LocalTime, toml.LocalDateTime:
		return "a date or time of day"
	}
	return "something else"
}
