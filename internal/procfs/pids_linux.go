package procfs

import (
	"bytes"
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// PIDLister lists the numeric names in a directory: the processes in /proc, the
// descriptors in /proc/PID/fd. It reads the directory entries itself, at 0.4 µs
// each. os.ReadDir is several times slower, because it makes and sorts strings.
type PIDLister struct {
	// Dir is the directory, such as /proc.
	Dir    string
	buf    []byte
	pids   []int
	inodes []uint64
	dirs   int // without a numeric name
}

// Inodes returns the inode numbers of what the last List returned, in the same order. In
// /proc, a process keeps its inode number as long as it lives, unless memory runs short,
// and another process with its PID has another one.
func (l *PIDLister) Inodes() []uint64 { return l.inodes }

// List returns the numbers, unsorted. They are valid until the next call.
func (l *PIDLister) List() ([]int, error) {
	if l.buf == nil {
		l.buf = make([]byte, 8192)
	}
	l.pids, l.inodes, l.dirs = l.pids[:0], l.inodes[:0], 0
	fd, err := retry(func() (int, error) { return unix.Open(l.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: l.Dir, Err: err}
	}
	defer unix.Close(fd)
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, l.buf) })
		if err != nil {
			return nil, &os.PathError{Op: "readdir", Path: l.Dir, Err: err}
		}
		if n == 0 {
			return l.pids, nil
		}
		l.parse(l.buf[:n])
	}
}

// parse reads the numeric names in records of struct linux_dirent64
// (getdents64(2)). A record begins with the inode number; its length is at offset
// 16, its type at 18, its name at 19.
func (l *PIDLister) parse(records []byte) {
	const lengthAt, typeAt, nameAt = 16, 18, 19
	for len(records) > nameAt {
		length := int(binary.NativeEndian.Uint16(records[lengthAt:]))
		name, _, _ := bytes.Cut(records[nameAt:length], []byte{0})
		if pid, ok := ParseNumber(name); ok {
			l.pids = append(l.pids, int(pid))
			l.inodes = append(l.inodes, binary.NativeEndian.Uint64(records))
		} else if records[typeAt] == unix.DT_DIR && !bytes.HasPrefix(name, []byte(".")) {
			l.dirs++
		}
		records = records[length:]
	}
}

// Count returns how many processes there are, if the kernel says so without a list, which
// costs a process 0.4 to 0.8 µs. Each directory has a link to the one above it, and those of
// /proc are counted with all processes of the host (proc_root_getattr in fs/proc/root.c).
// Inside a PID namespace, on another file system, or where /proc hides something, this is
// not the number of those that are listed: then ok is false. Call it after List.
func (l *PIDLister) Count() (n int, ok bool) {
	const itself = 2 // its name and its own "."
	var stat unix.Stat_t
	if err := unix.Stat(l.Dir, &stat); err != nil {
		return 0, false
	}
	n = int(stat.Nlink) - itself - l.dirs
	listed := len(l.pids)
	// Some may have begun or ended since. A PID namespace misses more than that: a kernel
	// has dozens of threads that are in none of them.
	return n, max(n-listed, listed-n) <= min(listed/16, 8)
}
