package hostmetrics

import "bytes"

// words walks over the blank-separated words of a line without allocating.
// Past the end every word is empty.
type words struct{ rest []byte }

func (w *words) next() []byte {
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

// number returns the next word as a number; ok is false where it is none.
func (w *words) number() (n uint64, ok bool) { return parseNumber(w.next()) }

// skip passes over n words.
func (w *words) skip(n int) {
	for range n {
		w.next()
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// parseNumber parses an unsigned decimal of at most 64 bits.
func parseNumber(b []byte) (n uint64, ok bool) {
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

// cutLine returns the first line of b, without its end, and what follows.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return line, rest
}
