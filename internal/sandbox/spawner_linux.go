package sandbox

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// spawner starts processes from a thread of its own, which lives as long as the
// spawner: the kernel ends a process with the thread that has started it
// (PR_SET_PDEATHSIG).
//
// If a new process cannot make its own system calls before exec (see canPreExec), it
// inherits no_new_privs and the umask from the thread, because Go cannot set them in the
// child. The thread does nothing else, so the program keeps its own properties.
type spawner struct {
	config  Config
	confine *confiner // nil: a process cannot restrict itself before exec
	calls   chan func()
	done    chan struct{}
}

// maxQueued is how many starts may be queued before callers block.
const maxQueued = 64

func newSpawner(config Config) (*spawner, error) {
	s := &spawner{config: config, calls: make(chan func(), maxQueued), done: make(chan struct{})}
	if canPreExec() {
		s.confine = newConfiner()
	}
	ready := make(chan error, 1)
	onOwnThread(func() { s.serve(ready) })
	if err := <-ready; err != nil {
		<-s.done
		return nil, err
	}
	return s, nil
}

// onOwnThread calls f on a thread that ends when f returns. The runtime never
// makes another thread from a locked one, so nothing inherits its properties.
// The main thread is not used: it cannot end, and /proc/self shows its
// properties for the whole process.
func onOwnThread(f func()) {
	locked := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onOwnThread(f) // on another thread, because this one is locked
			runtime.UnlockOSThread()
			close(locked)
			return
		}
		close(locked)
		f()
	}()
	<-locked
}

func (s *spawner) serve(ready chan<- error) {
	defer close(s.done)
	if s.confine == nil {
		if err := changeThread(s.config); err != nil {
			ready <- err
			return
		}
	}
	ready <- nil
	for call := range s.calls {
		closeOnExec()
		call()
	}
}

// changeThread sets the properties of the calling thread that the commands
// inherit.
func changeThread(config Config) error {
	// Threads share their umask until one of them calls unshare.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("giving the commands an umask of their own: %w", err)
	}
	unix.Umask(config.Umask)
	if !config.NoNewPrivs {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs for the commands: %w", err)
	}
	return nil
}

// closeOnExec marks the descriptors that the program has inherited, or opened without
// close-on-exec, so that commands do not get them. Programs that pass descriptors on
// with [os.ProcAttr] are not affected.
func closeOnExec() {
	const first = 3
	if closeOnExecNow(first) == nil {
		return
	}
	fds, _ := filepath.Glob("/proc/self/fd/*") // before Linux 5.11
	for _, path := range fds {
		if fd, err := strconv.Atoi(filepath.Base(path)); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}

// do queues a call of start on the thread.
func (s *spawner) do(start func()) { s.calls <- start }

// close ends the thread. No start may be under way.
func (s *spawner) close() {
	close(s.calls)
	<-s.done
	if s.confine != nil {
		s.confine.landlock.close()
	}
}
