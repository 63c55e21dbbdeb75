package sandbox

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// exitWaiter waits for the exit of one process at a time. It is an epoll instance that
// contains the process's pidfd. The Go runtime polls the instance, which is registered
// once instead of once for each process. This saves about ten system calls a run.
type exitWaiter struct {
	epoll int
	file  *os.File
	conn  syscall.RawConn // of file
}

func newExitWaiter() (*exitWaiter, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll instance: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // required for polling by os.NewFile
		unix.Close(fd)
		return nil, fmt.Errorf("making an epoll instance: %w", err)
	}
	w := &exitWaiter{epoll: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if w.conn, err = w.file.SyscallConn(); err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // fails if the runtime does not poll it
	}
	if err != nil {
		w.file.Close()
		return nil, fmt.Errorf("polling an epoll instance: %w", err)
	}
	return w, nil
}

func (w *exitWaiter) add(pidfd int) error { return epollNow(w.epoll, unix.EPOLL_CTL_ADD, pidfd) }

func (w *exitWaiter) remove(pidfd int) { epollNow(w.epoll, unix.EPOLL_CTL_DEL, pidfd) }

// wait calls over at once, and each time that a process of the waiter has ended,
// until over returns true. It also returns at the deadline (zero: none) and
// when it is woken.
func (w *exitWaiter) wait(deadline time.Time, over func() bool) {
	w.file.SetReadDeadline(deadline)
	// The error only tells that the deadline has passed, which the caller
	// checks itself.
	w.conn.Read(func(uintptr) bool { return over() })
}

// wake makes the present wait return.
func (w *exitWaiter) wake() { w.file.SetReadDeadline(time.Unix(1, 0)) }

// hasPidfds reports whether the kernel has process descriptors that can be
// polled (Linux 5.3).
func hasPidfds() bool {
	fd, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

// maxIdleWaiters is the number of waiters that are kept for another run.
const maxIdleWaiters = maxIdle

// exitWaiters keeps idle waiters for another use. The zero value is usable.
type exitWaiters struct {
	none bool // the kernel has no process descriptors

	mu   sync.Mutex
	idle []*exitWaiter // guarded by mu
}

// take returns nil if there is no waiter. The caller then waits for its process in
// another way. take may be called on nil.
func (s *exitWaiters) take() *exitWaiter {
	if s == nil || s.none {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		w := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return w
	}
	w, err := newExitWaiter()
	if err != nil {
		return nil
	}
	return w
}

func (s *exitWaiters) give(w *exitWaiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) >= maxIdleWaiters {
		w.file.Close()
		return
	}
	s.idle = append(s.idle, w)
}

func (s *exitWaiters) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.idle {
		w.file.Close()
	}
	s.idle = nil
}
