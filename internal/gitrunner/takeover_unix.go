//go:build unix

package gitrunner

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"syscall"
)

// takeOver gives everything in dir to the agent's user, and sets modes that only
// distinguish programs from other files. git's user, who made the files, is not trusted.
// So each directory is taken over before it is read, because nobody can exchange its
// content after that. No link is followed.
func takeOver(dir string, b bounds) error {
	if err := errors.Join(os.Lchown(dir, os.Geteuid(), os.Getegid()), os.Chmod(dir, 0o700)); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var used usage
	return takeEntries(root, func(name string) error {
		if name != ".git" {
			return takeEntry(root, name, b, &used)
		}
		// The size of this directory was checked when it was fetched.
		err := takeEntry(root, name, bounds{size: math.MaxInt64, files: math.MaxInt}, new(usage))
		return errors.Join(err, root.Chmod(name, 0o700))
	})
}

// takeEntries takes over the entries of a directory that has been taken over.
func takeEntries(dir *os.Root, take func(name string) error) error {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := take(entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

// takeEntry takes over a file, or a directory with all that is in it.
func takeEntry(dir *os.Root, name string, b bounds, used *usage) error {
	if err := dir.Lchown(name, os.Geteuid(), os.Getegid()); err != nil {
		return err
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return err
	}
	if err := b.add(used, info.Size()); err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return nil
	case info.IsDir():
		if err := dir.Chmod(name, 0o755); err != nil {
			return err
		}
		sub, err := dir.OpenRoot(name)
		if err != nil {
			return err
		}
		defer sub.Close()
		return takeEntries(sub, func(name string) error { return takeEntry(sub, name, b, used) })
	case !info.Mode().IsRegular(), info.Sys().(*syscall.Stat_t).Nlink > 1:
		return fmt.Errorf("its %s is neither a file with a single link, nor a directory, nor a symbolic link", name)
	case info.Mode()&0o100 != 0:
		return dir.Chmod(name, 0o755)
	}
	return dir.Chmod(name, 0o644)
}
