package hostmetrics

import (
	"path/filepath"
	"strings"

	"github.com/lodastack/agent/internal/procfs"
)

// isSuspended reports whether the kernel has suspended a device of /sys. A disk that goes to
// sleep by itself does not tell the kernel. See the kernel's
// Documentation/ABI/testing/sysfs-devices-power.
func isSuspended(device string) bool {
	return readText(filepath.Join(device, "power/runtime_status")) == "suspended"
}

// sleepingDisk returns the name of a disk that the kernel has suspended, among those that a
// device, such as 8:1, is on. Empty: there is none.
func sleepingDisk(root, device string) string {
	dir, err := filepath.EvalSymlinks(filepath.Join(root, "sys/dev/block", device))
	if err != nil {
		return "" // on no disk, such as NFS
	}
	return sleeping(dir, 0)
}

// mostStacked is how many devices may be stacked on each other: a file system on LVM on LUKS
// on RAID on partitions. The kernel allows no more.
const mostStacked = 8

func sleeping(dir string, depth int) string {
	below, _ := filepath.Glob(filepath.Join(dir, "slaves/*"))
	for _, link := range below {
		part, err := filepath.EvalSymlinks(link)
		if err != nil || depth == mostStacked {
			continue
		}
		if name := sleeping(part, depth+1); name != "" {
			return name
		}
	}
	// The directory of a partition is in that of its disk.
	for _, disk := range [...]string{dir, filepath.Dir(dir)} {
		if isSuspended(filepath.Join(disk, "device")) {
			return filepath.Base(disk)
		}
	}
	return ""
}

// whyNotWritten says why nothing is written to a mount to try it, as a clause. Empty: it is
// tried.
func (f *filesystems) whyNotWritten(m procfs.Mount) string {
	if m.ReadOnly() {
		return "it is mounted read-only"
	}
	if reason := f.rw.why(m.Point); reason != "" {
		return reason
	}
	if disk := sleepingDisk(f.root, m.Device); disk != "" {
		return "its disk " + strings.ReplaceAll(disk, "!", "/") + " is suspended, and writing would wake it"
	}
	return ""
}
