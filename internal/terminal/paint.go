package terminal

import (
	"bytes"
	"io"
	"os"
	"strings"
)

// Colours reports whether text for this file may be coloured: it is a terminal that can
// do it, and the user has not set NO_COLOR (https://no-color.org).
func Colours(file *os.File, getenv func(string) string) bool {
	if getenv("NO_COLOR") != "" || getenv("TERM") == "" || getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Colours of the words that a line begins with, as SGR parameters (ECMA-48).
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// painter colours words at the beginning of lines.
type painter struct {
	to    io.Writer
	words map[string]string // colour by word
}

// NewPainter returns a writer to w, a terminal, that colours the words bad, good
// and doubtful if a line begins with them. Each Write has whole lines. What
// is written must have no control characters, see [NewWriter].
func NewPainter(w io.Writer, bad, good, doubtful []string) io.Writer {
	p := &painter{to: w, words: map[string]string{}}
	for colour, words := range map[string][]string{red: bad, green: good, yellow: doubtful} {
		for _, word := range words {
			p.words[word] = colour
		}
	}
	return p
}

func (p *painter) Write(text []byte) (int, error) {
	var painted bytes.Buffer
	for line := range strings.Lines(string(text)) {
		painted.WriteString(p.line(line))
	}
	if _, err := p.to.Write(painted.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}

func (p *painter) line(line string) string {
	for word, colour := range p.words {
		if rest, found := strings.CutPrefix(line, word); found {
			return "\x1b[" + colour + "m" + word + "\x1b[0m" + rest
		}
	}
	return line
}
