package hostmetrics

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mark is how far a login file (wtmp or btmp) has been read. A checksum of the
// last bytes that were read identifies the file, because another file may get
// the inode of a removed one, and logrotate's copytruncate moves the content
// but keeps the inode. The inode is used only if nothing was read yet.
type mark struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
	// Last is a checksum of up to tailLength bytes before Offset. It is empty
	// if nothing was read, and in states of earlier versions.
	Last string `json:"last,omitempty"`
}

const tailLength = 384

// logFile is an open login file.
type logFile struct {
	*os.File
	inode uint64
	size  int64
}

// openLog does not block if the path is a pipe.
func openLog(path string) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Fstat(int(file.Fd()), &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: path, Err: err}, file.Close())
	}
	return &logFile{file, st.Ino, st.Size}, nil
}

// markAt returns the mark of a position in the file.
func (f *logFile) markAt(offset int64) mark {
	return mark{Inode: f.inode, Offset: offset, Last: f.tail(offset)}
}

// tail returns the checksum of the bytes before offset.
func (f *logFile) tail(offset int64) string {
	length := min(offset, tailLength)
	if length <= 0 {
		return ""
	}
	h := fnv.New64a()
	if n, _ := io.Copy(h, io.NewSectionReader(f, offset-length, length)); n < length {
		return ""
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// holds reports whether m is a mark of this content.
func (f *logFile) holds(m mark) bool {
	if f.size < m.Offset {
		return false
	}
	if m.Last == "" { // nothing was read yet, or an earlier version made the mark
		return f.inode == m.Inode
	}
	return f.tail(m.Offset) == m.Last
}

// rotatedLogs opens the rotated files of path, oldest first: wtmp.1,
// wtmp-20261124 and so on. Compressed files cannot be read.
func rotatedLogs(path string) (logs []*logFile) {
	for _, pattern := range [...]string{".[0-9]*", "-[0-9]*"} {
		names, _ := filepath.Glob(path + pattern)
		for _, name := range names {
			if strings.Trim(name[len(path):], ".-0123456789") != "" {
				continue
			}
			if log, err := openLog(name); err == nil {
				logs = append(logs, log)
			}
		}
	}
	slices.SortFunc(logs, func(a, b *logFile) int { return cmp.Compare(a.modified(), b.modified()) })
	return logs
}

func (f *logFile) modified() int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

func closeLogs(logs []*logFile) {
	for _, log := range logs {
		log.Close()
	}
}
