package gitrunner

import "golang.org/x/sys/unix"

// noexec reports whether the file system of dir is mounted with noexec.
func noexec(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
