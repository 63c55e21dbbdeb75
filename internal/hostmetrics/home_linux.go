package hostmetrics

import (
	"slices"

	"golang.org/x/sys/unix"
)

// fileID names a file or directory. The zero value names none.
type fileID struct{ device, inode uint64 }

// fileAt follows links, also those of /proc.
func fileAt(path string) fileID {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return fileID{}
	}
	return fileID{uint64(st.Dev), st.Ino}
}

// home is where a process lives: its mount namespace and its root directory.
// The zero value is that of a process which does not show it.
type home struct{ mounts, root fileID }

func (r *processReader) home(pid int) home {
	return home{fileAt(r.dir(pid) + "/ns/mnt"), fileAt(r.dir(pid) + "/root")}
}

// isOfHost reports whether a process that was started from a program's path is
// the host's own. That of a container has another file at this path. Only one
// of three things has to be the host's:
//   - the mount namespace: services that have called chroot(2) share it;
//   - the root directory: services with own mounts (systemd's PrivateTmp) have it;
//   - the file that runs: programs of a snap have neither of the others.
//
// A process that does not show where it lives counts.
func (r *processReader) isOfHost(pid int, host home, running []*program) bool {
	own := r.home(pid)
	if own == (home{}) || host == (home{}) || own.mounts == host.mounts && own.mounts != (fileID{}) || own.root == host.root {
		return true
	}
	exe := fileAt(r.dir(pid) + "/exe")
	return exe != (fileID{}) && slices.ContainsFunc(running, func(p *program) bool { return p.file == exe })
}
