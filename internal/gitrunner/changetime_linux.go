package gitrunner

import (
	"time"

	"golang.org/x/sys/unix"
)

// changeTime returns when the entries of a directory, or its attributes, changed last
// (st_ctime, inode(7)), which its owner cannot set. Zero: unknown.
func changeTime(dir string) time.Time {
	var status unix.Stat_t
	if err := unix.Lstat(dir, &status); err != nil {
		return time.Time{}
	}
	return time.Unix(status.Ctim.Unix())
}
