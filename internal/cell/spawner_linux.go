package cell

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// spawner starts processes from a thread of its own. On Linux a process
// inherits from the thread that starts it what Go cannot set in the child:
// no_new_privs, the umask, the cgroup of a v1 hierarchy. That thread does
// nothing else and ends with the spawner, so that the program around it keeps
// its own.
type spawner struct {
	config   Config
	landlock landlock
	calls    chan func()
	done     chan struct{}
}

// maxQueued is the number of starts that wait without their callers.
const maxQueued = 64

func newSpawner(config Config) (*spawner, error) {
	s := &spawner{config: config, landlock: newLandlock(), calls: make(chan func(), maxQueued), done: make(chan struct{})}
	ready := make(chan error, 1)
	onOwnThread(func() { s.serve(ready) })
	if err := <-ready; err != nil {
		<-s.done
		return nil, err
	}
	return s, nil
}

// onOwnThread calls f on a thread that ends with it: the runtime never makes
// another one in the image of a locked thread. The main thread cannot end, and
// stands for the whole process in /proc/self, so it is left as it is.
func onOwnThread(f func()) {
	locked := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onOwnThread(f) // elsewhere, as this thread is taken
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
	err := changeThread(s.config)
	ready <- err
	if err != nil {
		return
	}
	for call := range s.calls {
		closeOnExec()
		call()
	}
}

// changeThread gives the calling thread what the commands are to inherit.
func changeThread(config Config) error {
	// Threads share their umask until one of them leaves.
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

// closeOnExec keeps to the program what it has inherited itself, or opened
// without care. Whoever passes descriptors on as [os.ProcAttr] does, notices
// nothing.
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

// do has start called on the thread, some time soon.
func (s *spawner) do(start func()) { s.calls <- start }

// doConfined has start called on a thread that lasts until over is closed. start
// gets a function that lets the thread write below the directories alone from then
// on. What a thread has given up it does not get back, so each start needs a new
// one.
func (s *spawner) doConfined(writable []string, start func(confine func() error), over <-chan struct{}) {
	onOwnThread(func() {
		closeOnExec()
		start(func() error {
			if err := changeThread(s.config); err != nil {
				return err
			}
			return s.landlock.confine(writable)
		})
		<-over
	})
}

func (s *spawner) confinement() Confinement { return s.landlock.confinement() }

// close ends the thread. No start may be under way.
func (s *spawner) close() {
	close(s.calls)
	<-s.done
}
