package hostmetrics

import (
	"path"
	"path/filepath"

	"github.com/lodastack/agent/internal/procfs"
	"golang.org/x/sys/unix"
)

// mountTree finds the mounts that can be reached by their paths.
type mountTree struct {
	mounts []procfs.Mount
	byID   map[int]int // index in mounts
	at     map[mountSpot]int
}

// mountSpot is a directory in a mount: the ID of the mount, and the path of the
// directory. The last mount at a directory is the visible one.
type mountSpot struct {
	parent int
	point  string
}

func newMountTree(mounts []procfs.Mount) mountTree {
	t := mountTree{mounts: mounts, byID: make(map[int]int, len(mounts)), at: make(map[mountSpot]int, len(mounts))}
	for i, m := range mounts {
		t.byID[m.ID] = i
		if m.Parent != m.ID {
			t.at[mountSpot{m.Parent, m.Point}] = i
		}
	}
	return t
}

// visible returns the mounts that no other one covers. It returns at most one
// for a path, even if the table is inconsistent because it changes while it is
// read.
func (t mountTree) visible() (seen []procfs.Mount) {
	taken := make(map[string]bool, len(t.mounts))
	for i, m := range t.mounts {
		_, onTop := t.at[mountSpot{m.ID, m.Point}]
		if !onTop && !taken[m.Point] && t.reachable(i, len(t.mounts)) {
			taken[m.Point] = true
			seen = append(seen, m)
		}
	}
	return seen
}

// reachable reports whether the path of a mount leads only through its parents.
// depth limits the walk if the table is inconsistent.
func (t mountTree) reachable(i, depth int) bool {
	m := t.mounts[i]
	if m.Parent == m.ID {
		return true
	}
	if t.at[mountSpot{m.Parent, m.Point}] != i || depth == 0 {
		return false
	}
	for dir := m.Point; dir != "/" && dir != "."; {
		dir = path.Dir(dir)
		if _, covers := t.at[mountSpot{m.Parent, dir}]; covers {
			return false
		}
	}
	parent, listed := t.byID[m.Parent]
	return !listed || t.reachable(parent, depth-1)
}

// automounted reports whether an automounter has mounted m, or a mount that m is below.
func (t mountTree) automounted(m procfs.Mount) bool {
	for range t.mounts { // at most: the table may be inconsistent
		i, listed := t.byID[m.Parent]
		if !listed || m.Parent == m.ID {
			return false
		}
		if m = t.mounts[i]; m.Type == "autofs" {
			return true
		}
	}
	return false
}

// ownMounts returns the mounts of this process, by their IDs. The measured
// mounts can be others, if process 1 has another namespace. If the table cannot
// be read, it is empty, and nothing is compared.
func ownMounts(root string) map[uint64]procfs.Mount {
	mounts, _ := procfs.ReadMounts(filepath.Join(root, "proc/self/mountinfo"))
	own := make(map[uint64]procfs.Mount, len(mounts))
	for _, m := range mounts {
		own[uint64(m.ID)] = m
	}
	return own
}

// isCovered reports whether name leads to another file system than m's: one
// that is mounted over it, or one in the agent's own namespace. Before Linux
// 5.8 statx(2) does not return the mount of a file, and the answer is false.
func isCovered(name string, m procfs.Mount, own map[uint64]procfs.Mount) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, name, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st)
	if err != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return false
	}
	there, known := own[st.Mnt_id]
	return known && there.Device != m.Device
}
