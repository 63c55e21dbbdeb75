// Package jsontext reads JSON text (RFC 8259) step by step, for readers of one format each.
// Such a reader takes a third of the time of encoding/json (docs/decisions/json.md), and decides
// itself what it keeps in memory.
package jsontext

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep the values of unknown keys may nest.
const maxDepth = 100

// Reader reads a text from left to right. Strings that it returns refer to the text's memory.
type Reader struct {
	Text string
	At   int // bytes read
}

// Peek skips white space and returns the next byte, 0 at the end.
func (r *Reader) Peek() byte {
	for ; r.At < len(r.Text); r.At++ {
		switch c := r.Text[r.At]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// Expected returns the error that the text continues with something else than what.
func (r *Reader) Expected(what string) error {
	rest := r.Text[r.At:]
	if rest == "" {
		return fmt.Errorf("byte %d: the body ends, but %s should follow", r.At, what)
	}
	return fmt.Errorf("byte %d: %.20q is not %s", r.At, rest[:min(len(rest), 80)], what)
}

// More steps to the next element of a list or object, false when that ends.
func (r *Reader) More(end byte, first bool) (bool, error) {
	switch c := r.Peek(); {
	case c == end:
		r.At++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		r.At++
		return true, nil
	}
	return false, r.Expected(fmt.Sprintf("a comma or %q", rune(end)))
}

// Key reads the key of an object's member, and the colon.
func (r *Reader) Key() (string, error) {
	key, err := r.String("a key, which is a string")
	if err != nil {
		return "", err
	}
	if r.Peek() != ':' {
		return "", r.Expected("a colon")
	}
	r.At++
	return key, nil
}

// String reads a string. Like encoding/json it replaces invalid UTF-8 by U+FFFD.
func (r *Reader) String(what string) (string, error) {
	if r.Peek() != '"' {
		return "", r.Expected(what)
	}
	begin := r.At
	ascii, escaped := true, false
	for i := begin + 1; i < len(r.Text); i++ {
		switch c := r.Text[i]; {
		case c == '"':
			r.At = i + 1
			if escaped || !ascii && !utf8.ValidString(r.Text[begin:i]) {
				s, at := unescape(r.Text[begin+1 : i])
				if at >= 0 {
					r.At = begin + 1 + at
					return "", r.Expected("an escape sequence that JSON has")
				}
				return s, nil
			}
			return r.Text[begin+1 : i], nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			r.At = i
			return "", r.Expected("a character that a string may have unescaped")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	r.At = len(r.Text)
	return "", r.Expected(`the string's closing '"'`)
}

// Number returns the text of a number.
func (r *Reader) Number(what string) (string, error) {
	r.Peek()
	begin := r.At
	r.pass("-")
	if !r.pass("0") && r.digits() == 0 {
		return "", r.Expected(what)
	}
	if r.pass(".") && r.digits() == 0 {
		return "", r.Expected("a digit")
	}
	if r.pass("eE") {
		r.pass("+-")
		if r.digits() == 0 {
			return "", r.Expected("a digit")
		}
	}
	return r.Text[begin:r.At], nil
}

// pass passes a byte that is one of some.
func (r *Reader) pass(some string) bool {
	if r.At < len(r.Text) && strings.IndexByte(some, r.Text[r.At]) >= 0 {
		r.At++
		return true
	}
	return false
}

// digits skips digits and returns how many there were.
func (r *Reader) digits() int {
	begin := r.At
	for r.At < len(r.Text) && '0' <= r.Text[r.At] && r.Text[r.At] <= '9' {
		r.At++
	}
	return r.At - begin
}

// Word reads true, false or null.
func (r *Reader) Word(word string) error {
	if !strings.HasPrefix(r.Text[r.At:], word) {
		return r.Expected("a value")
	}
	r.At += len(word)
	return nil
}

// Skip skips a value of any kind, at a depth of nesting.
func (r *Reader) Skip(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("byte %d: values are nested more than %d deep", r.At, maxDepth)
	}
	switch c := r.Peek(); c {
	case '{', '[':
		return r.skipAll(c, depth)
	case '"':
		_, err := r.String("a string")
		return err
	case 't':
		return r.Word("true")
	case 'f':
		return r.Word("false")
	case 'n':
		return r.Word("null")
	}
	_, err := r.Number("a value")
	return err
}

// skipAll skips an object or a list with its content.
func (r *Reader) skipAll(open byte, depth int) error {
	r.At++
	end := byte(']')
	if open == '{' {
		end = '}'
	}
	for first := true; ; first = false {
		more, err := r.More(end, first)
		if err != nil || !more {
			return err
		}
		if open == '{' {
			if _, err := r.Key(); err != nil {
				return err
			}
		}
		if err := r.Skip(depth + 1); err != nil {
			return err
		}
	}
}
