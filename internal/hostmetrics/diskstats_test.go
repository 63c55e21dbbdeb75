//go:build linux

package hostmetrics_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// diskstats shows devices that each made requests number of reads, and as
// many writes, of one sector and one millisecond.
func diskstats(requests map[string]string, sys ...string) files {
	f := files{"proc/diskstats": ""}
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		n := requests[name]
		f["proc/diskstats"] += strings.Join([]string{" 259 0", name, n, "0", n, n, n, "0", n, n, "0", n, n}, " ") + "\n"
	}
	for _, name := range sys {
		f["sys/block/"+name+"/removable"] = "0\n"
	}
	return f
}

func TestDisksAreWhatTheKernelSays(t *testing.T) {
	for name, c := range map[string]struct {
		before, now map[string]string
		sys         []string
		want        []string
	}{
		"disks of any name, without their partitions (beszel#365)": {
			map[string]string{"sata1": "0", "sata1p1": "0", "nbd0": "0", "nbd0p1": "0", "cciss/c0d0": "0", "cciss/c0d0p1": "0"},
			map[string]string{"sata1": "10", "sata1p1": "10", "nbd0": "20", "nbd0p1": "20", "cciss/c0d0": "30", "cciss/c0d0p1": "30"},
			[]string{"sata1", "nbd0", "cciss!c0d0"},
			[]string{`{device="cciss/c0d0"} 3`, `{device="nbd0"} 2`, `{device="sata1"} 1`},
		},
		"nothing that is made of disks": {
			map[string]string{"sda": "0", "dm-0": "0", "md0": "0", "flash0": "0"},
			map[string]string{"sda": "10", "dm-0": "10", "md0": "10", "flash0": "10"},
			[]string{"sda", "dm-0", "md0", "flash0", "flash0/slaves/sda"},
			[]string{`{device="sda"} 1`},
		},
		"requests counted only at the paths (atop#157)": {
			map[string]string{"nvme0n1": "0", "nvme0c0n1": "10", "nvme0c1n1": "20"},
			map[string]string{"nvme0n1": "0", "nvme0c0n1": "20", "nvme0c1n1": "40"},
			[]string{"nvme0n1", "nvme0c0n1", "nvme0c1n1"},
			[]string{`{device="nvme0n1"} 3`},
		},
		"requests counted at the paths and at the disk": {
			map[string]string{"nvme0n1": "30", "nvme0c0n1": "10", "nvme0c1n1": "20"},
			map[string]string{"nvme0n1": "60", "nvme0c0n1": "20", "nvme0c1n1": "40"},
			[]string{"nvme0n1", "nvme0c0n1", "nvme0c1n1"},
			[]string{`{device="nvme0n1"} 3`},
		},
		"a disk that begins to count what its paths counted so far": {
			map[string]string{"nvme0n1": "0", "nvme0c0n1": "10"},
			map[string]string{"nvme0n1": "500", "nvme0c0n1": "20"},
			[]string{"nvme0n1", "nvme0c0n1"},
			nil,
		},
		"an idle disk with paths": {
			map[string]string{"nvme0n1": "0", "nvme0c0n1": "0"},
			map[string]string{"nvme0n1": "0", "nvme0c0n1": "0"},
			[]string{"nvme0n1", "nvme0c0n1"},
			[]string{`{device="nvme0n1"} 0`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before := diskstats(c.before, c.sys...)
				got := withPrefix(after(t, "DISK", before, before, diskstats(c.now, c.sys...)), "disk.io.read_requests")
				for i := range got {
					got[i] = strings.TrimPrefix(got[i], "disk.io.read_requests")
				}
				require.Equal(t, c.want, got)
			})
		})
	}
}

func TestWithoutSysNoDiskIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := after(t, "DISK", diskstats(map[string]string{"sda": "1"}))
		require.Equal(t, []string{"error: measuring disks: stat /sys/block: no such file or directory"}, got)
	})
}
