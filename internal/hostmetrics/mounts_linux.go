package hostmetrics

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// mount is a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	device   string // major:minor of the file system
	root     string // what of the file system is mounted; "/" is all of it
	point    string
	kind     string
	readOnly bool // mounted so; false where the file system became so by itself
}

// mountTable lists the host's file systems.
type mountTable struct{ host, own file }

func newMountTable(root string) mountTable {
	return mountTable{host: newFile(root, "proc/1/mountinfo"), own: newFile(root, "proc/self/mountinfo")}
}

// list returns each real file system once. Process 1 sees the host's mounts
// also where the agent lives in a namespace of its own, but only root may look.
func (t *mountTable) list() ([]mount, error) {
	content, err := t.host.read()
	if err != nil {
		var ownErr error
		if content, ownErr = t.own.read(); ownErr != nil {
			return nil, errors.Join(err, ownErr)
		}
	}
	return fileSystems(parseMounts(content)), nil
}

func parseMounts(content []byte) (mounts []mount) {
	for line := range bytes.Lines(content) {
		before, after, ok := strings.Cut(strings.TrimSpace(string(line)), " - ")
		field := strings.Fields(before)
		if !ok || len(field) < 6 {
			continue
		}
		kind, _, _ := strings.Cut(after, " ")
		options := strings.Split(field[5], ",")
		mounts = append(mounts, mount{
			device: field[2], root: unescape(field[3]), point: unescape(field[4]),
			kind: kind, readOnly: slices.Contains(options, "ro"),
		})
	}
	return mounts
}

// unescape replaces the octal escapes of blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// fileSystems leaves of mounts each file system that holds data of its own,
// once: a bind mount, or a subvolume beside its volume, shows the device of
// another mount. Of those the one that shows most of the file system is kept,
// at the shortest path. A mount that another covers cannot be seen.
func fileSystems(mounts []mount) []mount {
	visible := make(map[string]int, len(mounts))
	for i, m := range mounts {
		visible[m.point] = i
	}
	best := make(map[string]mount)
	for i, m := range mounts {
		if visible[m.point] != i || !holdsData(m) {
			continue
		}
		other, seen := best[m.device]
		if !seen || compareMounts(m, other) < 0 {
			best[m.device] = m
		}
	}
	list := make([]mount, 0, len(best))
	for _, m := range best {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b mount) int { return cmp.Compare(a.point, b.point) })
	return list
}

func compareMounts(a, b mount) int {
	return cmp.Or(
		cmp.Compare(len(a.root), len(b.root)),
		cmp.Compare(len(a.point), len(b.point)),
		cmp.Compare(a.point, b.point),
	)
}

// holdsData tells real file systems from those that the kernel makes up, that
// live in memory, or that are full by nature (images such as squashfs). An
// overlay shows the space of the file system below it, but as the root of a
// container it is all there is.
func holdsData(m mount) bool {
	switch m.kind {
	case "overlay", "aufs":
		return m.point == "/"
	case "autofs", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devpts",
		"devtmpfs", "efivarfs", "erofs", "fusectl", "hugetlbfs", "iso9660", "mqueue", "none", "nsfs", "proc",
		"pstore", "ramfs", "resctrl", "rootfs", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs",
		"tmpfs", "tracefs", "udf", "usbfs":
		return false
	}
	return !pseudoFUSE(m.kind)
}

// pseudoFUSE names what programs make up by FUSE.
func pseudoFUSE(kind string) bool {
	switch kind {
	case "fuse.lxcfs", "fuse.gvfsd-fuse", "fuse.portal", "fuse.snapfuse", "fuse.squashfuse", "fuse.fuse-overlayfs":
		return true
	}
	return false
}
