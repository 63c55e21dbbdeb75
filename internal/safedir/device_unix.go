//go:build unix

package safedir

import (
	"io/fs"
	"syscall"
)

// device is the file system that a directory is on.
func device(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Dev)
	}
	return 0
}
