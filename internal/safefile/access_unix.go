//go:build unix

package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// CheckDir returns an error if users other than the process's and root own the directory
// at path, may write into it, or could replace it. For a directory that does not exist
// yet, it checks the directories above. It ignores ACLs.
func CheckDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Unseen(path, err)
	default:
		if err := checkOwner(path, info); err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o022 != 0 {
			return fmt.Errorf("%s is writable by others than its owner (mode %#o); run chmod go-w %s, or name another directory", path, mode, path)
		}
	}
	return checkAbove(path)
}

// CheckFile returns an error if users other than the process's and root may change or
// replace the file at path or, if it is a secret, if they may read it. Links are followed.
// A missing file and a pipe are not checked.
func CheckFile(path string, secret bool) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrPermission) {
		return Unseen(path, err)
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	if err := checkOwner(path, info); err != nil {
		return err
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0 || mode&0o020 != 0 && !privateGroup(info):
		return fmt.Errorf("%s is writable by others than its owner (mode %#o); run chmod go-w %s", path, mode, path)
	case secret && mode&0o004 != 0:
		return fmt.Errorf("%s is a secret that every user may read (mode %#o); run chmod o-r %s", path, mode, path)
	}
	return checkAbove(path)
}

// checkAbove checks the directories above path, both of the path as it is written and of
// the path that its links lead to.
func checkAbove(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := checkParents(path); err != nil {
		return err
	}
	return checkParents(Resolve(path))
}

// checkParents checks each directory above path, and path itself if it is a
// link. Groups may write into them: some systems have such directories, as
// Ubuntu's /var/log.
func checkParents(path string) error {
	for above := path; above != "/"; above = filepath.Dir(above) {
		info, err := os.Lstat(above)
		if errors.Is(err, fs.ErrPermission) {
			return Unseen(above, err)
		}
		if err != nil || above == path && info.Mode().Type() != fs.ModeSymlink {
			continue // not there yet, or checked already
		}
		if err := checkOwner(above, info); err != nil {
			return fmt.Errorf("%s leads through a directory of another user: %w", path, err)
		}
		if mode := info.Mode(); mode.IsDir() && mode&0o002 != 0 && mode&fs.ModeSticky == 0 {
			return fmt.Errorf("%s is in %s, where every user may replace it (mode %#o); run chmod o-w %s, or name another path", path, above, mode.Perm(), above)
		}
	}
	return nil
}

// CheckWritable returns an error if the process cannot make files in the directory at path
// or, if that does not exist yet, cannot make the directory.
func CheckWritable(path string) error {
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		// By the effective user, as all that follows (faccessat(2)).
		err := unix.Faccessat(unix.AT_FDCWD, at, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
		if errors.Is(err, fs.ErrPermission) {
			if info, err := os.Stat(at); err == nil && !info.IsDir() {
				return nil
			}
			return fmt.Errorf("the user %s may not write into %s: do this as root or as the agent's user, or name another directory", userName(uint32(os.Geteuid())), at)
		}
		if !errors.Is(err, fs.ErrNotExist) || at == "/" || at == "." {
			return nil // other checks report other faults
		}
	}
}

// checkOwner returns an error unless the owner is the process's user or root.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 || stat.Uid == uint32(os.Geteuid()) || stat.Uid == unmapped && inUserNamespace() {
		return nil
	}
	self := userName(uint32(os.Geteuid()))
	return fmt.Errorf("%s belongs to %[2]s, and the agent runs as %[3]s; run chown %[3]s %[1]s, or name another path, or do this as %[2]s if the agent is to run as %[2]s",
		path, userName(stat.Uid), self)
}

// unmapped is the uid that the kernel shows if a user namespace does not know the real
// owner (/proc/sys/kernel/overflowuid). In a rootless container this is usually the host's
// root.
const unmapped = 65534

// inUserNamespace reports whether the process is in a user namespace that lacks
// users of the host (user_namespaces(7)).
func inUserNamespace() bool {
	content, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(content)), " ") != "0 0 4294967295"
}

// privateGroup reports whether only the owner of the file is in its group. Most systems
// make such a group for each user.
func privateGroup(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Gid == stat.Uid
}

// Owner returns the name of the user who owns the file at path, if that can be found out.
func Owner(path string) (name string, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return "", false
	}
	return userName(stat.Uid), true
}

// userName returns the name of the user, or the number.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
