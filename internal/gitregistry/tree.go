package gitregistry

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ReadTree parses a working tree of a fleet repository as its head would be parsed.
func ReadTree(tree string) (*Fleet, error) {
	entries, err := os.ReadDir(filepath.Join(tree, dir))
	if err != nil {
		return nil, fmt.Errorf("%s is no fleet repository: %w", tree, err)
	}
	var head Head
	for _, entry := range entries {
		file := File{Name: entry.Name()}
		path := filepath.Join(tree, dir, entry.Name())
		switch {
		case entry.IsDir():
			file.Instead = "directory" // or a submodule
		case !strings.HasSuffix(entry.Name(), suffix):
			continue
		case entry.Type() == fs.ModeSymlink:
			file.Instead = "symbolic link"
		default:
			if file.Content, err = readFile(path); err != nil {
				return nil, err
			}
		}
		head.Files = append(head.Files, file)
	}
	return parseHead(head, "", nil)
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has more than %d MiB", name, maxFile>>20)
	}
	return os.ReadFile(name)
}
