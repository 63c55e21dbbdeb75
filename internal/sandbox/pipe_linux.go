package sandbox

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// quick is how long a short run takes at most. The output of a short run is
// read at its end, so nothing but the end is waited for.
const quick = 50 * time.Millisecond

// descriptor is one that a command gets.
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

// makePipe returns a non-blocking end to read from, and a blocking end for the
// command, as commands expect.
func makePipe() (source, descriptor, error) {
	fds, err := pipe2(0)
	return source(fds[0]), descriptor(fds[1]), err
}

// makeInput returns a blocking end for the command to read from, and a non-blocking
// one to write to.
func makeInput() (descriptor, *os.File, error) {
	fds, err := pipe2(1)
	if err != nil {
		return -1, nil, err
	}
	return descriptor(fds[0]), os.NewFile(uintptr(fds[1]), "|1"), nil
}

// pipe2 returns a pipe of which one end, 0 or 1, does not block.
func pipe2(ours int) ([2]int, error) {
	fds := [2]int{-1, -1}
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return fds, err
	}
	if err := fcntlNow(fds[ours], unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		return fds, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return fds, nil
}

// readNow reads what is there now. It returns 0 if there is nothing.
func (s source) readNow(p []byte) int { return readNow(int(s), p) }

func (s source) close() { closeNow(int(s)) }

// file returns the source as a file that the Go runtime polls. The file is
// closed in place of the source.
func (s source) file() *os.File { return os.NewFile(uintptr(s), "|0") }
