package terminal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/terminal"
)

func TestWordsAtTheBeginningOfALineAreColoured(t *testing.T) {
	var to bytes.Buffer
	p := terminal.NewPainter(&to, []string{"BAD "}, []string{"fine"}, []string{"warning:"})
	n, err := p.Write([]byte("BAD one\nnot BAD \nfine\nwarning: two"))
	require.NoError(t, err)
	require.Equal(t, 34, n)
	require.Equal(t, "\x1b[31mBAD \x1b[0mone\nnot BAD \n\x1b[32mfine\x1b[0m\n\x1b[33mwarning:\x1b[0m two", to.String())
}

func TestOnlyATerminalIsColouredAndNoneWithNOCOLOR(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer file.Close()
	device, err := os.Open(os.DevNull) // a character device, as a terminal is
	require.NoError(t, err)
	defer device.Close()
	colours := func(f *os.File, env map[string]string) bool {
		return terminal.Colours(f, func(name string) string { return env[name] })
	}
	require.True(t, colours(device, map[string]string{"TERM": "xterm"}))
	require.False(t, colours(file, map[string]string{"TERM": "xterm"}))
	require.False(t, colours(device, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}))
	require.False(t, colours(device, map[string]string{"TERM": "dumb"}))
	require.False(t, colours(device, nil))
}
