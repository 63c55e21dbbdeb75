// Package terminal makes foreign texts safe to print on a terminal. A control character
// can move the cursor, change what was printed before or, in some terminals, type
// commands.
package terminal

import (
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Clean returns s with blanks in place of control characters, tabs and line breaks, and
// with U+FFFD in place of invalid UTF-8.
func Clean(s string) string { return strings.Map(clean, s) }

func clean(r rune) rune {
	switch {
	case unicode.IsControl(r):
		return ' '
	case unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp):
		return ' ' // these change the order of what is on a line, or break it
	}
	return r
}

// Writer writes to another writer what [Clean] leaves, but keeps line breaks and
// tabs. It is safe for concurrent use.
type Writer struct {
	to io.Writer

	mu   sync.Mutex
	rest []byte // guarded by mu; the beginning of a character, without its end
}

// NewWriter returns a writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Write writes p, except for a character at its end that is not complete: that
// waits for the next Write.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.rest, p...)
	end := len(text)
	for i := max(0, end-utf8.UTFMax+1); i < end; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			end = i
			break
		}
	}
	w.rest = append([]byte(nil), text[end:]...)
	cleaned := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return clean(r)
	}, string(text[:end]))
	if _, err := io.WriteString(w.to, cleaned); err != nil {
		return 0, err
	}
	return len(p), nil
}
