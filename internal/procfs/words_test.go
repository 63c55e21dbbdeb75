package procfs_test

import (
	"testing"

	"github.com/lodastack/agent/internal/procfs"
	"github.com/stretchr/testify/require"
)

func TestNumbersAreReadToTheLimitOf64Bits(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "007": 7, "18446744073709551615": 1<<64 - 1} {
		n, ok := procfs.ParseNumber([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, n)
	}
	for _, text := range []string{"", "-1", "1.5", "x", "18446744073709551616", "99999999999999999999", "100000000000000000000"} {
		_, ok := procfs.ParseNumber([]byte(text))
		require.False(t, ok, text)
	}
}

func TestWordsEndWithTheLine(t *testing.T) {
	w := procfs.NewWords([]byte("  a\tbc  "))
	require.Equal(t, "a", string(w.Next()))
	require.Equal(t, "bc", string(w.Next()))
	require.Empty(t, w.Next())
	require.Empty(t, w.Next())
}
