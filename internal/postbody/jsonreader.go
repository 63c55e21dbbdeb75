package postbody

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep the values of unknown keys may nest.
const maxDepth = 100

// jsonReader reads JSON text (RFC 8259) from left to right.
type jsonReader struct {
	text string
	at   int // bytes read
}

// peek skips white space and returns the next byte, 0 at the end.
func (r *jsonReader) peek() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// expected returns the error that the text continues with something else than what.
func (r *jsonReader) expected(what string) error {
	rest := r.text[r.at:]
	if rest == "" {
		return fmt.Errorf("byte %d: the body ends, but %s should follow", r.at, what)
	}
	return fmt.Errorf("byte %d: %.20q is not %s", r.at, rest[:min(len(rest), 80)], what)
}

// more steps to the next element of a list or object, false when that ends.
func (r *jsonReader) more(end byte, first bool) (bool, error) {
	switch c := r.peek(); {
	case c == end:
		r.at++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		r.at++
		return true, nil
	}
	return false, r.expected(fmt.Sprintf("a comma or %q", rune(end)))
}

// key reads the key of an object's member, and the colon.
func (r *jsonReader) key() (string, error) {
	key, err := r.string("a key, which is a string")
	if err != nil {
		return "", err
	}
	if r.peek() != ':' {
		return "", r.expected("a colon")
	}
	r.at++
	return key, nil
}

// string reads a string. Like encoding/json it replaces invalid UTF-8 by U+FFFD.
func (r *jsonReader) string(what string) (string, error) {
	if r.peek() != '"' {
		return "", r.expected(what)
	}
	begin := r.at
	ascii, escaped := true, false
	for i := begin + 1; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			r.at = i + 1
			if escaped || !ascii && !utf8.ValidString(r.text[begin:i]) {
				s, at := unescape(r.text[begin+1 : i])
				if at >= 0 {
					r.at = begin + 1 + at
					return "", r.expected("an escape sequence that JSON has")
				}
				return s, nil
			}
			return r.text[begin+1 : i], nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			r.at = i
			return "", r.expected("a character that a string may have unescaped")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	r.at = len(r.text)
	return "", r.expected(`the string's closing '"'`)
}

// number returns the text of a number.
func (r *jsonReader) number(what string) (string, error) {
	r.peek()
	begin := r.at
	r.pass("-")
	if !r.pass("0") && r.digits() == 0 {
		return "", r.expected(what)
	}
	if r.pass(".") && r.digits() == 0 {
		return "", r.expected("a digit")
	}
	if r.pass("eE") {
		r.pass("+-")
		if r.digits() == 0 {
			return "", r.expected("a digit")
		}
	}
	return r.text[begin:r.at], nil
}

// pass passes a byte that is one of some.
func (r *jsonReader) pass(some string) bool {
	if r.at < len(r.text) && strings.IndexByte(some, r.text[r.at]) >= 0 {
		r.at++
		return true
	}
	return false
}

// digits skips digits and returns how many there were.
func (r *jsonReader) digits() int {
	begin := r.at
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at - begin
}

// word reads true, false or null.
func (r *jsonReader) word(word string) error {
	if !strings.HasPrefix(r.text[r.at:], word) {
		return r.expected("a value")
	}
	r.at += len(word)
	return nil
}

// skip skips a value of any kind, at a depth of nesting.
func (r *jsonReader) skip(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("byte %d: values are nested more than %d deep", r.at, maxDepth)
	}
	switch c := r.peek(); c {
	case '{', '[':
		return r.skipAll(c, depth)
	case '"':
		_, err := r.string("a string")
		return err
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	}
	_, err := r.number("a value")
	return err
}

// skipAll skips an object or a list with its content.
func (r *jsonReader) skipAll(open byte, depth int) error {
	r.at++
	end := byte(']')
	if open == '{' {
		end = '}'
	}
	for first := true; ; first = false {
		more, err := r.more(end, first)
		if err != nil || !more {
			return err
		}
		if open == '{' {
			if _, err := r.key(); err != nil {
				return err
			}
		}
		if err := r.skip(depth + 1); err != nil {
			return err
		}
	}
}
