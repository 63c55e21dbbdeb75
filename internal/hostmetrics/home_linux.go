package hostmetrics

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fileID identifies a file or directory. The zero value identifies none.
type fileID struct{ device, inode uint64 }

// fileAt follows links, including those of /proc.
func fileAt(path string) fileID {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return fileID{}
	}
	return fileID{uint64(st.Dev), st.Ino}
}

// home is the mount namespace and the root directory of a process. The zero
// value means that they may not be read.
type home struct{ mounts, root fileID }

func (r *processReader) home(pid int) home {
	return home{fileAt(r.dir(pid) + "/ns/mnt"), fileAt(r.dir(pid) + "/root")}
}

// isOfHost reports whether a process that was started from a program's path
// belongs to the host and not to a container. A container has another file at
// this path. One of three things must be the host's:
//   - the mount namespace, which services that have called chroot(2) share;
//   - the root directory, which services with own mounts (systemd's PrivateTmp)
//     share;
//   - the executable, because programs of a snap share neither of the others.
//
// Where its home may not be read, the names of its cgroups say whether it is a container's.
func (r *processReader) isOfHost(pid int, host home, running []*program) bool {
	own := r.home(pid)
	if own == (home{}) {
		return !slices.ContainsFunc(r.groups(pid), isContainerGroup)
	}
	if host == (home{}) || own.mounts == host.mounts && own.mounts != (fileID{}) || own.root == host.root {
		return true
	}
	exe := fileAt(r.dir(pid) + "/exe")
	return exe != (fileID{}) && slices.ContainsFunc(running, func(p *program) bool { return p.file == exe })
}

// isContainerGroup reports whether a cgroup has the name of a container: the 64 hexadecimal
// digits of its id, with a prefix or without (Docker, Podman, containerd, CRI-O), or
// lxc.payload.NAME.
func isContainerGroup(name string) bool {
	if strings.HasPrefix(name, "lxc.payload") {
		return true
	}
	const idLength = 64
	id := strings.TrimSuffix(name, ".scope")
	if len(id) < idLength {
		return false
	}
	return strings.Trim(id[len(id)-idLength:], "0123456789abcdef") == ""
}
