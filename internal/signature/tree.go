package signature

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/safefile"
)

// TreeOf returns the id that git gives to the files in dir, without a .git in the top
// directory. The id has this many hexadecimal digits. TreeOf reads at most maxBytes.
func TreeOf(dir string, digits int, maxBytes int64) (string, error) {
	w := &treeHasher{digits: digits, left: maxBytes, buffer: make([]byte, 32<<10)}
	sum, err := w.dir(dir, ".git")
	return hex.EncodeToString(sum), err
}

type treeHasher struct {
	digits int
	left   int64 // bytes that may still be read
	buffer []byte
}

// entry is a line of a tree object.
type entry struct {
	mode, name string
	sum        []byte
}

// sortName is the name by which git sorts an entry.
func (e entry) sortName() string {
	if e.mode == modeDir {
		return e.name + "/"
	}
	return e.name
}

const (
	modeDir  = "40000"
	modeLink = "120000"
	modeFile = "100644"
	modeExec = "100755"
)

// dir returns the id of the tree in path, without the entry except.
func (w *treeHasher) dir(path, except string) ([]byte, error) {
	found, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, f := range found {
		if f.Name() == except {
			continue
		}
		e, err := w.entry(filepath.Join(path, f.Name()), f)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 && except == "" {
		return nil, fmt.Errorf("%s is an empty directory, which git keeps for submodules only; a signature does not say what is in those", path)
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.sortName(), b.sortName()) })
	var tree []byte
	for _, e := range entries {
		tree = fmt.Appendf(tree, "%s %s\x00", e.mode, e.name)
		tree = append(tree, e.sum...)
	}
	return w.object("tree", int64(len(tree)), bytes.NewReader(tree))
}

func (w *treeHasher) entry(path string, f os.DirEntry) (e entry, err error) {
	e.name = f.Name()
	switch mode := f.Type(); {
	case mode.IsDir():
		e.mode = modeDir
		e.sum, err = w.dir(path, "")
	case mode&os.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return e, err
		}
		target = filepath.ToSlash(target)
		e.mode = modeLink
		e.sum, err = w.object("blob", int64(len(target)), strings.NewReader(target))
		return e, err
	default:
		e.mode, e.sum, err = w.file(path)
	}
	return e, err
}

// file returns the mode and the id of a file.
func (w *treeHasher) file(path string) (mode string, sum []byte, err error) {
	file, err := safefile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", nil, err
	}
	if w.left -= info.Size(); w.left < 0 {
		return "", nil, fmt.Errorf("%s and the files before it are larger than any version may be", path)
	}
	mode = modeFile
	if info.Mode()&0o100 != 0 {
		mode = modeExec
	}
	sum, err = w.object("blob", info.Size(), io.LimitReader(file, info.Size()))
	return mode, sum, err
}

// object returns the id of an object of this many bytes.
func (w *treeHasher) object(kind string, size int64, content io.Reader) ([]byte, error) {
	h, err := newHash(w.digits)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(h, "%s %d\x00", kind, size)
	if _, err := io.CopyBuffer(h, onlyReader{content}, w.buffer); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// onlyReader makes io.CopyBuffer use its buffer.
type onlyReader struct{ io.Reader }
