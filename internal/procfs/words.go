package procfs

import "bytes"

// Words iterates over the blank-separated words of a line without allocations.
// After the end every word is empty.
type Words struct{ rest []byte }

// NewWords returns the words of line.
func NewWords(line []byte) Words { return Words{line} }

// Next returns the next word, which is part of the line.
func (w *Words) Next() []byte {
	rest := w.rest
	for len(rest) > 0 && isBlank(rest[0]) {
		rest = rest[1:]
	}
	end := 0
	for end < len(rest) && !isBlank(rest[end]) {
		end++
	}
	w.rest = rest[end:]
	return rest[:end]
}

// More reports whether anything is left of the line, even if only blanks.
func (w *Words) More() bool { return len(w.rest) > 0 }

// Number returns the next word as a number. ok is false if it is not a number.
func (w *Words) Number() (n uint64, ok bool) { return ParseNumber(w.Next()) }

// Skip skips n words.
func (w *Words) Skip(n int) {
	for range n {
		w.Next()
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// ParseNumber parses an unsigned decimal of at most 64 bits.
func ParseNumber(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		next := n*10 + uint64(c-'0')
		if n > (1<<64-1)/10 || next < n*10 {
			return 0, false
		}
		n = next
	}
	return n, true
}

// CutLine returns the first line of b without its line break, and the rest of
// b.
func CutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return line, rest
}
