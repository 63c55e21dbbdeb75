package hostmetrics

import (
	"path"
	"path/filepath"

	"github.com/lodastack/agent/internal/procfs"
	"golang.org/x/sys/unix"
)

// mountTree tells which mounts can be reached by their paths.
type mountTree struct {
	mounts []procfs.Mount
	byID   map[int]int // index
	at     map[mountSpot]int
}

// mountSpot is a directory in a mount, given by the ID of that, and the path of
// the directory. The last mount there is the one that is seen.
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

// visible returns the mounts that no other one covers. Only one can be at a path,
// also where the table contradicts itself, as while it changes.
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

// reachable reports whether the way to a mount leads through no other one than
// its parents. depth bounds the walk, should the table contradict itself.
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

// ownMounts returns the mounts as this process has them, by their IDs. They
// are not those that are measured where these are process 1's, in another
// namespace. Without them nothing is compared.
func ownMounts(root string) map[uint64]procfs.Mount {
	mounts, _ := procfs.ReadMounts(filepath.Join(root, "proc/self/mountinfo"))
	own := make(map[uint64]procfs.Mount, len(mounts))
	for _, m := range mounts {
		own[uint64(m.ID)] = m
	}
	return own
}

// isCovered reports whether name leads to another file system than that of m:
// one mounted over it, or what is there in the agent's own namespace. Before
// Linux 5.8 statx(2) does not say on which mount a file is.
func isCovered(name string, m procfs.Mount, own map[uint64]procfs.Mount) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, name, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st)
	if err != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return false
	}
	there, known := own[st.Mnt_id]
	return known && there.Device != m.Device
}
