package terminal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// Control sequences of ECMA-48 and of xterm, which every terminal of today has.
const (
	openScreen  = "\x1b[?1049h\x1b[?25l\x1b[?7l" // the alternate screen, without cursor; long lines are cut
	closeScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	endOfLine   = "\x1b[K" // clears the rest of the line
	endOfScreen = "\x1b[J" // clears the rest of the screen
)

// Height of a window whose size is not known.
const usualHeight = 24

// Screen shows texts on a terminal, each in place of the one before. It has the terminal from
// NewScreen to Close. It may be used by one goroutine at a time.
type Screen struct {
	to     io.Writer
	height func() int
}

// NewScreen returns a screen on the terminal, or nil if file is none that can place text: a
// pipe, a file, or TERM is dumb or empty.
func NewScreen(file *os.File, getenv func(string) string) (*Screen, error) {
	height, isTerminal := windowHeight(file)
	if term := getenv("TERM"); !isTerminal || term == "" || term == "dumb" {
		return nil, nil
	}
	if height == 0 {
		height = usualHeight
	}
	s := &Screen{to: file, height: func() int {
		if now, ok := windowHeight(file); ok && now > 0 {
			height = now
		}
		return height
	}}
	_, err := io.WriteString(s.to, openScreen)
	return s, err
}

// Show replaces what is shown. If the text has more lines than the window, the last line of
// the window says how many are missing. The text must have no control characters but line
// breaks and colours, see [NewWriter].
func (s *Screen) Show(text string) error {
	var frame bytes.Buffer
	frame.WriteString(home)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height := s.height(); len(lines) > height {
		shown := max(height-1, 0)
		lines = append(lines[:shown:shown], fmt.Sprintf("… %d lines more", len(lines)-shown))
	}
	for i, line := range lines {
		if i > 0 {
			frame.WriteString("\r\n") // none behind the last line: that would scroll
		}
		frame.WriteString(line + endOfLine)
	}
	frame.WriteString(endOfScreen)
	_, err := s.to.Write(frame.Bytes())
	return err
}

// Close gives the terminal back as it was.
func (s *Screen) Close() error {
	_, err := io.WriteString(s.to, closeScreen)
	return err
}
