package gitrunner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// checkExecutable checks that dir/plugin is an executable file in dir, after
// all symbolic links. It is fast, because each run calls it.
func checkExecutable(dir string) error {
	_, err := executableOf(dir)
	return err
}

// executableOf returns the path of dir/plugin, with all symbolic links resolved.
func executableOf(dir string) (string, error) {
	path := filepath.Join(dir, "plugin")
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		path, info, err = followWithin(dir, path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("it has no file named plugin in its top directory: give the program or script this name, and commit it")
	case err != nil:
		return "", fmt.Errorf("its file plugin cannot be used: %w", err)
	case info.IsDir():
		return "", errors.New("its plugin is a directory, not an executable file")
	case !info.Mode().IsRegular():
		return "", errors.New("its plugin is not a regular file")
	case !executable(info.Mode()):
		return "", errors.New("its file plugin is not executable: run chmod +x plugin and commit that")
	}
	return path, nil
}

// followWithin follows symbolic links. They may not lead out of dir, nor into
// its .git.
func followWithin(dir, path string) (string, fs.FileInfo, error) {
	if _, err := os.Stat(path); errors.Is(err, syscall.ELOOP) {
		return "", nil, errors.New("it is a symbolic link that leads back to itself")
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", nil, err
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", nil, err
	}
	inside, within := strings.CutPrefix(target, root+string(filepath.Separator))
	if top, _, _ := strings.Cut(inside, string(filepath.Separator)); !within || top == ".git" {
		return "", nil, errors.New("it is a symbolic link that leads out of the repository")
	}
	info, err := os.Lstat(target)
	return target, info, err
}
