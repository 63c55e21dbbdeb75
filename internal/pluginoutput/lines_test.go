package pluginoutput_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/pluginoutput"
)

func TestOnlyWholeLinesAreHandedOver(t *testing.T) {
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"a byte at a time": iotest.OneByteReader, "half at a time": iotest.HalfReader, "data with the error": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			text := "a 1\nb 2\n" + strings.Repeat("c", 20_000) + " 3\nno end"
			var got strings.Builder
			err := pluginoutput.Lines(reader(strings.NewReader(text)), func(lines []byte) error {
				require.True(t, strings.HasSuffix(string(lines), "\n") || strings.HasSuffix(string(lines), "no end"), "%.20q", lines)
				got.Write(lines)
				return nil
			})
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, text, got.String())
		})
	}
}

func TestALineWithoutEndIsRefusedBeforeItTakesMemory(t *testing.T) {
	err := pluginoutput.Lines(endless{}, func([]byte) error { t.Error("there is no line"); return nil })
	require.ErrorIs(t, err, pluginoutput.ErrLongLine)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestWhoTakesTheLinesMayEndIt(t *testing.T) {
	enough := errors.New("enough")
	require.ErrorIs(t, pluginoutput.Lines(strings.NewReader("a\nb\n"), func([]byte) error { return enough }), enough)
}
