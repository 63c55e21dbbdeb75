package hostmetrics

import (
	"cmp"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

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
// at the shortest path. A mount that others cover cannot be seen.
func fileSystems(mounts []procfs.Mount) []procfs.Mount {
	best := make(map[string]procfs.Mount)
	for _, m := range newMountTree(mounts).visible() {
		if !holdsData(m) {
			continue
		}
		other, seen := best[m.Device]
		if !seen || compareMounts(m, other) < 0 {
			best[m.Device] = m
		}
	}
	return slices.SortedFunc(maps.Values(best), func(a, b procfs.Mount) int { return cmp.Compare(a.Point, b.Point) })
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
// overlay shows the space of the file system below it. Whatever / is on, but
// for an image, is all that there is.
func holdsData(m procfs.Mount) bool {
	switch m.Type {
	case "erofs", "fuse.squashfuse", "iso9660", "rootfs", "squashfs", "udf":
		return false
	case "aufs", "autofs", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devpts",
		"devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "none", "nsfs", "overlay", "proc", "pstore", "ramfs",
		"resctrl", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tmpfs", "tracefs", "usbfs":
		return m.Point == "/"
	case "fuse.fuse-overlayfs", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "fuse.snapfuse":
		return m.Point == "/"
	}
	return true
}

// mountTags returns the tag of each mount. Those whose names differ only in
// blanks keep these, escaped as mountinfo has them.
func mountTags(mounts []procfs.Mount) []string {
	tags := make([]string, len(mounts))
	for i, m := range mounts {
		tags[i] = m.Point
	}
	escape := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`)
	distinct(tags, func(i int) string { return escape.Replace(mounts[i].Point) })
	return tags
}
