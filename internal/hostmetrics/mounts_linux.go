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
func (f *filesystems) listMounts() ([]procfs.Mount, error) {
	mounts, err := readMounts(f.root)
	return f.choice.fileSystems(mounts), err
}

func readMounts(root string) ([]procfs.Mount, error) {
	mounts, err := procfs.ReadMounts(filepath.Join(root, "proc/1/mountinfo"))
	if len(mounts) == 0 {
		var ownErr error
		if mounts, ownErr = procfs.ReadMounts(filepath.Join(root, "proc/self/mountinfo")); ownErr != nil {
			return mounts, errors.Join(err, ownErr)
		}
		err = nil
	}
	return mounts, err
}

// mountChoice decides which mounts are measured.
type mountChoice struct{ points, types filter }

// why says why a mount that holds data is left out, as a clause. Empty: it is measured. To
// measure what an automounter has mounted would keep it mounted forever.
func (c mountChoice) why(m procfs.Mount, automounted bool) string {
	for _, reason := range [...]string{c.points.why(m.Point), c.types.why(m.Type)} {
		if reason != "" {
			return reason
		}
	}
	if automounted && !c.points.names(m.Point) {
		return "it is mounted on demand, and measuring it would keep it mounted; collect.include.mounts could name it"
	}
	return ""
}

// holdsData is holdsData, or true for a type that the config asks for.
func (c mountChoice) holdsData(m procfs.Mount) bool {
	return holdsData(m) || m.Type != "autofs" && c.types.names(m.Type)
}

// fileSystems returns each file system that holds data of its own, once. A bind
// mount, or a subvolume beside its volume, has the device of another mount. Of
// those, the mount that shows the largest part of the file system is kept, at
// the shortest path. A mount that is covered by others is left out.
func (c mountChoice) fileSystems(mounts []procfs.Mount) []procfs.Mount {
	best := make(map[string]procfs.Mount)
	tree := newMountTree(mounts)
	for _, m := range tree.visible() {
		if !c.holdsData(m) || c.why(m, tree.automounted(m)) != "" {
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
