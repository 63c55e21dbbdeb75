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

// listMounts returns each file system of the host once. It prefers the mounts
// of process 1, which are the host's even if the agent has a mount namespace of
// its own, but only root may read them. If there is an error, the mounts that
// could be read are valid.
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

// fileSystems returns each file system that holds data of its own, once. A bind
// mount, or a subvolume beside its volume, has the device of another mount. Of
// those, the mount that shows the largest part of the file system is kept, at
// the shortest path. A mount that is covered by others is left out.
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

// holdsData reports whether a file system holds data. The others are virtual,
// live in memory, or are always full (images such as squashfs). An overlay
// shows the space of the file system below it. The file system of / always
// counts, unless it is an image.
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

// mountTags returns the tag of each mount. Mounts whose names differ only in
// blanks keep the escapes of mountinfo.
func mountTags(mounts []procfs.Mount) []string {
	tags := make([]string, len(mounts))
	for i, m := range mounts {
		tags[i] = m.Point
	}
	escape := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`)
	distinct(tags, func(i int) string { return escape.Replace(mounts[i].Point) })
	return tags
}
