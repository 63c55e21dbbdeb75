//go:build unix

package pipewriter_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/pipewriter"
)

func pipe(t *testing.T) (reader, writer *os.File) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { reader.Close(); writer.Close() })
	return reader, writer
}

// fill writes lines until nobody reads them, and returns what was accepted.
func fill(t *testing.T, w io.Writer) (written string) {
	line := strings.Repeat("x", 999) + "\n"
	for {
		n, err := io.WriteString(w, line)
		written += line[:n]
		if err != nil {
			require.ErrorIs(t, err, pipewriter.ErrNotRead)
			return written
		}
	}
}

func TestReaderThatStopsReadingCostsASecondOnce(t *testing.T) {
	_, writer := pipe(t)
	w := pipewriter.New(writer)
	began := time.Now()
	fill(t, w)
	require.InDelta(t, 1, time.Since(began).Seconds(), 0.9)
	began = time.Now()
	for range 1000 {
		_, err := io.WriteString(w, "more\n")
		require.ErrorIs(t, err, pipewriter.ErrNotRead)
	}
	require.Less(t, time.Since(began), 10*time.Second, "1,000 lines do not wait a second each")
}

func TestLinesAreWholeOnceTheReaderGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	reader, writer := pipe(t)
	w := pipewriter.New(writer)
	written := fill(t, w)
	// Longer than what a pipe takes at once, so that a part of it is left out.
	long := bytes.Repeat([]byte("y"), 100_000)
	_, err := w.Write(append(long, '\n'))
	require.ErrorIs(t, err, pipewriter.ErrNotRead)
	_, err = io.CopyN(io.Discard, reader, int64(len(written)/2))
	require.NoError(t, err)
	n, err := w.Write(append(long, '\n'))
	require.ErrorIs(t, err, pipewriter.ErrNotRead)
	require.Positive(t, n)

	rest := make(chan string)
	go func() {
		all, _ := io.ReadAll(reader)
		rest <- string(all)
	}()
	require.Eventually(t, func() bool {
		_, err := io.WriteString(w, "whole\n")
		return err == nil
	}, 10*time.Second, time.Millisecond)
	writer.Close()
	require.True(t, strings.HasSuffix(<-rest, "y\nwhole\n"))
}

func TestWhateverIsReadIsWrittenWhole(t *testing.T) {
	reader, writer := pipe(t)
	all := make(chan []byte)
	go func() {
		read, _ := io.ReadAll(reader)
		all <- read
	}()
	sent := bytes.Repeat([]byte("0123456789abcde\n"), 100_000)
	n, err := pipewriter.New(writer).Write(sent)
	require.NoError(t, err)
	require.Len(t, sent, n)
	writer.Close()
	require.Equal(t, sent, <-all)
}

func TestFilesAndReadersThatHaveLeftAreAsEver(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer file.Close()
	_, err = pipewriter.New(file).Write([]byte("line\n"))
	require.NoError(t, err)

	reader, writer := pipe(t)
	reader.Close()
	_, err = pipewriter.New(writer).Write([]byte("line\n"))
	require.ErrorContains(t, err, "broken pipe")
}
