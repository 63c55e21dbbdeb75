// Package nonfinite replaces the words NaN, Infinity and -Infinity in a text that is
// otherwise JSON. Python and others print them for numbers that JSON cannot express, and
// JSON parsers refuse the whole text because of one.
package nonfinite

import (
	"regexp"
	"sync"
)

// words matches the words, and strings, to leave those alone. It is compiled at the first
// use, so that it does not delay other commands of the agent.
var words = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b`)
})

// Replace returns text with by, which is JSON, in place of each of these words outside of
// strings.
func Replace(text []byte, by string) []byte {
	return words().ReplaceAllFunc(text, func(found []byte) []byte {
		if found[0] == '"' {
			return found
		}
		return []byte(by)
	})
}
