//go:build unix

package gitrunner

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/lodastack/agent/internal/sandbox"
)

// diskSpace is the space that a file occupies on the disk, in bytes.
func diskSpace(info fs.FileInfo) int64 { return info.Sys().(*syscall.Stat_t).Blocks * 512 }

func uidOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

func gidOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Gid }

// giveTree gives a directory to another user, with all files in it that belong to its
// present owner. The owner may have put links there: they are not followed, and a file
// with a second name (hard link) stays as it is.
func giveTree(dir string, to sandbox.User) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	from, err := root.Lstat(".")
	if err != nil {
		return err
	}
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := root.Lstat(path)
		if err != nil || uidOf(info) != uidOf(from) || !info.IsDir() && info.Sys().(*syscall.Stat_t).Nlink > 1 {
			return nil
		}
		return root.Lchown(path, int(to.UID), int(to.GID))
	})
}
