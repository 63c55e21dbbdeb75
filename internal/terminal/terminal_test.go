package terminal_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/terminal"
)

// hostile has an escape sequence, C1 controls as UTF-8 and as a byte alone, a
// deletion, a change of the direction, and letters that must stay.
const hostile = "é\x1b[2J\u009b1m\x9b\x7f\u202e\u2028€"

func TestNoControlCharacterIsLeft(t *testing.T) {
	require.Equal(t, "é [2J 1m\ufffd   €", terminal.Clean(hostile))
	require.Equal(t, "a b c", terminal.Clean("a\nb\tc"))
}

func TestAWriterKeepsLinesAndCharactersThatComeInPieces(t *testing.T) {
	text := "a\tb\n" + hostile + "\n"
	for size := 1; size <= len(text); size++ {
		var got bytes.Buffer
		w := terminal.NewWriter(&got)
		for piece := []byte(text); len(piece) > 0; piece = piece[min(size, len(piece)):] {
			n, err := w.Write(piece[:min(size, len(piece))])
			require.NoError(t, err)
			require.Equal(t, min(size, len(piece)), n)
		}
		require.Equal(t, "a\tb\né [2J 1m\ufffd   €\n", got.String(), "in pieces of %d bytes", size)
	}
}
