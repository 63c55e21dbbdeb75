package gitrunner

import "golang.org/x/sys/unix"

// noexec tells whether nothing can be executed on the file system of dir.
func noexec(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
