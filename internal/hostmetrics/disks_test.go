//go:build linux

package hostmetrics

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
