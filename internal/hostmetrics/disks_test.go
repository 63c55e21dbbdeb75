//go:build linux

package hostmetrics

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsNotADiskIsKnownByItsName(t *testing.T) {
	for _, name := range []string{"loop0", "ram1", "zram0", "sr0", "fd0", "dm-0", "md127", "md_home", "drbd1", "bcache0", "zd16"} {
		require.True(t, isNoDisk(name), name)
	}
	for _, name := range []string{"sda", "sata1", "nbd0", "nvme0n1", "mmcblk0", "vda", "xvda1", "fioa", "cciss/c0d0", "dasda", "pmem0"} {
		require.False(t, isNoDisk(name), name)
	}
}

func TestAPathBelongsToItsNVMeDisk(t *testing.T) {
	for name, want := range map[string]string{"nvme0c0n1": "nvme0n1", "nvme12c3n45": "nvme12n45"} {
		whole, ok := pathOfNVMe(name)
		require.True(t, ok)
		require.Equal(t, want, whole)
	}
	for _, name := range []string{"nvme0n1", "nvme0n1p1", "nvme0c0n1p1", "nvme0", "sda"} {
		_, ok := pathOfNVMe(name)
		require.False(t, ok, name)
	}
}
