package cell

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// quick is how long a run may take to be a short one: its output stays in the
// pipes until its end, which so is the only thing that is waited for.
const quick = 50 * time.Millisecond

// descriptor is what a command gets as one of its own.
type descriptor int

func openNull() (descriptor, error) {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	return descriptor(fd), nil
}

func (d descriptor) close() { closeNow(int(d)) }

// source is the reading end of a pipe.
type source int

// makePipe returns a reading end that does not block, and one for the command
// that does, as commands expect it.
func makePipe() (source, descriptor, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, err
	}
	if err := fcntlNow(fds[0], unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		return -1, -1, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return source(fds[0]), descriptor(fds[1]), nil
}

// readNow reads what is there. It returns 0 where that is nothing.
func (s source) readNow(p []byte) int { return readNow(int(s), p) }

func (s source) close() { closeNow(int(s)) }

// file makes the source one that the Go runtime waits for, and is called in
// place of close.
func (s source) file() *os.File { return os.NewFile(uintptr(s), "|0") }
