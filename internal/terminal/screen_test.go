package terminal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAScreenShowsATextInPlaceOfTheOneBefore(t *testing.T) {
	for name, test := range map[string]struct {
		height      int
		text, shown string
	}{
		"fits":       {3, "a\nb\nc\n", "\x1b[Ha\x1b[K\r\nb\x1b[K\r\nc\x1b[K\x1b[J"},
		"is cut":     {3, "a\nb\nc\nd\n", "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n… 2 lines more\x1b[K\x1b[J"},
		"one line":   {1, "a\nb\n", "\x1b[H… 2 lines more\x1b[K\x1b[J"},
		"no text":    {3, "", "\x1b[H\x1b[K\x1b[J"},
		"empty line": {3, "a\n\nb", "\x1b[Ha\x1b[K\r\n\x1b[K\r\nb\x1b[K\x1b[J"},
	} {
		t.Run(name, func(t *testing.T) {
			var to bytes.Buffer
			s := &Screen{to: &to, height: func() int { return test.height }}
			require.NoError(t, s.Show(test.text))
			require.Equal(t, test.shown, to.String())
			to.Reset()
			require.NoError(t, s.Close())
			require.Equal(t, "\x1b[?7h\x1b[?25h\x1b[?1049l", to.String())
		})
	}
}

func TestOnlyATerminalHasAScreen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	s, err := NewScreen(file, func(string) string { return "xterm" })
	require.NoError(t, err)
	require.Nil(t, s)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, content)
}
