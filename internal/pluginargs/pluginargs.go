// Package pluginargs splits and judges the arguments of plugins, as the
// registry and the callers of the HTTP API give them. No shell ever sees them;
// what a shell would act upon is refused all the same, because a plugin may
// well be a shell script.
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
			return fmt.Errorf("argument %d, %.80q, has %s in it, which plugins may not be given", i+1, arg, what)
		}
	}
	return nil
}

// forbidden returns what of arg is refused, for the reader of an error, or "".
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
