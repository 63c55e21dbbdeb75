package hostmetrics

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"

	"github.com/lodastack/agent/internal/procfs"
)

// listMounts returns each file system of the host once. Process 1 sees the
// host's mounts also where the agent lives in a namespace of its own, but only
// root may look. Beside an error, what could be read is valid.
func listMounts(root string) ([]procfs.Mount, error) {
	mounts, err := procfs.ReadMounts(filepath.Join(root, "proc/1/mountinfo"))
	if len(mounts) == 0 {
		var ownErr error
		if mounts, ownErr = procfs.ReadMounts(filepath.Join(root, "proc/self/mountinfo")); ownErr != nil {
			return fileSystems(mounts), errors.Join(err, ownErr)
		}
		err = nil
	}
	return fileSystems(mounts), err
}

// fileSystems leaves of mounts each file system that holds data of its own,
// once: a bind mount, or a subvolume beside its volume, shows the device of
// another mount. Of those the one that shows most of the file system is kept,
// at the shortest path. A mount that another covers cannot be seen.
func fileSystems(mounts []procfs.Mount) []procfs.Mount {
	visible := make(map[string]int, len(mounts))
	for i, m := range mounts {
		visible[m.Point] = i
	}
	best := make(map[string]procfs.Mount)
	for i, m := range mounts {
		if visible[m.Point] != i || !holdsData(m) {
			continue
		}
		other, seen := best[m.Device]
		if !seen || compareMounts(m, other) < 0 {
			best[m.Device] = m
		}
	}
	list := make([]procfs.Mount, 0, len(best))
	for _, m := range best {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b procfs.Mount) int { return cmp.Compare(a.Point, b.Point) })
	return list
}

func compareMounts(a, b procfs.Mount) int {
	return cmp.Or(
		cmp.Compare(len(a.Root), len(b.Root)),
		cmp.Compare(len(a.Point), len(b.Point)),
		cmp.Compare(a.Point, b.Point),
	)
}

// holdsData tells real file systems from those that the kernel makes up, that
// live in memory, or that are full by nature (images such as squashfs). An
// overlay shows the space of the file system below it, but as the root of a
// container it is all there is.
func holdsData(m procfs.Mount) bool {
	switch m.Type {
	case "overlay", "aufs":
		return m.Point == "/"
	case "autofs", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devpts",
		"devtmpfs", "efivarfs", "erofs", "fusectl", "hugetlbfs", "iso9660", "mqueue", "none", "nsfs", "proc",
		"pstore", "ramfs", "resctrl", "rootfs", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs",
		"tmpfs", "tracefs", "udf", "usbfs":
		return false
	}
	return !pseudoFUSE(m.Type)
}

// pseudoFUSE names what programs make up by FUSE.
func pseudoFUSE(kind string) bool {
	switch kind {
	case "fuse.lxcfs", "fuse.gvfsd-fuse", "fuse.portal", "fuse.snapfuse", "fuse.squashfuse", "fuse.fuse-overlayfs":
		return true
	}
	return false
}
