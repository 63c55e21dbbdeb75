//go:build linux

package hostmetrics

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbersAreReadToTheLimitOf64Bits(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "007": 7, "18446744073709551615": 1<<64 - 1} {
		n, ok := parseNumber([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, n)
	}
	for _, text := range []string{"", "-1", "1.5", "x", "18446744073709551616", "99999999999999999999", "100000000000000000000"} {
		_, ok := parseNumber([]byte(text))
		require.False(t, ok, text)
	}
}

func TestWordsEndWithTheLine(t *testing.T) {
	w := words{[]byte("  a\tbc  ")}
	require.Equal(t, "a", string(w.next()))
	require.Equal(t, "bc", string(w.next()))
	require.Empty(t, w.next())
	require.Empty(t, w.next())
}

func TestPartitionsAreToldFromDisks(t *testing.T) {
	for name, disk := range map[string]string{
		"sda1": "sda", "nvme0n1p2": "nvme0n1", "mmcblk0p1": "mmcblk0", "mmcblk0boot0": "mmcblk0", "xvda15": "xvda", "fioa1": "fioa",
	} {
		require.True(t, isPartition([]byte(name), []byte(disk)), name)
	}
	for name, before := range map[string]string{"sdb": "sda", "sdaa": "sda", "nvme0n10": "nvme0n1", "nvme1n1": "nvme0n1", "xvda1": "", "mmcblk1": "mmcblk0", "mmcblk10": "mmcblk1"} {
		require.False(t, isPartition([]byte(name), []byte(before)), name)
	}
	for _, name := range []string{"loop0", "ram1", "zram0", "sr0", "dm-0", "md127", "sd", "nbd0"} {
		require.False(t, isDisk([]byte(name)), name)
	}
}
