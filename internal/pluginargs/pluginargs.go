// Package pluginargs splits and checks the arguments of plugins, which come from the
// registry and from callers of the HTTP API. The agent does not pass them to a shell.
// Characters with a meaning in a shell are refused nevertheless, because a plugin may be
// a shell script.
package pluginargs

import (
	"fmt"
	"strings"
	"unicode"
)

// Split splits s at its blanks (spaces and tabs) and checks the arguments
// (see [Check]). There is no quoting. If s has no arguments it returns nil.
func Split(s string) ([]string, error) {
	args := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(args) == 0 {
		return nil, nil
	}
	if err := Check(args); err != nil {
		return nil, err
	}
	return args, nil
}

// Check returns an error that names the first argument with a ; | < > ` && or
// a control character in it, or nil.
func Check(args []string) error {
	for i, arg := range args {
		what := forbidden(arg)
		if what != "" {
			return fmt.Errorf("argument %d, %.80q, contains %s, which is not allowed in arguments of plugins", i+1, arg, what)
		}
	}
	return nil
}

// forbidden names the part of arg that is refused, for an error, or returns "".
func forbidden(arg string) string {
	if i := strings.IndexAny(arg, ";|<>`"); i >= 0 {
		return arg[i : i+1]
	}
	if strings.Contains(arg, "&&") {
		return "&&"
	}
	if strings.ContainsFunc(arg, unicode.IsControl) {
		return "a control character"
	}
	return ""
}
