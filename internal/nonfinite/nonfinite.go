// Package nonfinite replaces the words NaN, Infinity and -Infinity in what is
// JSON but for them. Python and others print them for numbers that JSON cannot
// write, and readers of JSON refuse the whole text for one of them.
package nonfinite

import (
	"regexp"
	"sync"
)

// words finds strings, to leave them alone, and the words. It is compiled when it is
// needed: no command of the agent waits for it.
var words = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b`)
})

// Replace returns text with by, which is JSON, in place of each of the words
// outside of strings.
func Replace(text []byte, by string) []byte {
	return words().ReplaceAllFunc(text, func(found []byte) []byte {
		if found[0] == '"' {
			return found
		}
		return []byte(by)
	})
}
