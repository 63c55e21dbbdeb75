package jsontext

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape decodes the inside of a JSON string (RFC 8259, section 7). at is the position of
// a wrong escape sequence in s, or -1. Invalid UTF-8, and half of a surrogate pair, become
// U+FFFD.
func unescape(s string) (text string, at int) {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			r, size := utf8.DecodeRuneInString(s[i:])
			b.WriteRune(r)
			i += size
			continue
		}
		r, size := escape(s[i:])
		if size == 0 {
			return "", i
		}
		b.WriteRune(r)
		i += size
	}
	return b.String(), -1
}

// escape reads the escape sequence that s begins with. The size is 0 if it
// is wrong.
func escape(s string) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if s[1] == 'u' {
		return unicodeEscape(s)
	}
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	i := strings.IndexByte(letters, s[1])
	if i < 0 {
		return 0, 0
	}
	return rune(meanings[i]), 2
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair.
func unicodeEscape(s string) (r rune, size int) {
	first, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if second, ok := hex4(s[6:]); ok {
		if pair := utf16.DecodeRune(first, second); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads \uXXXX.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}
