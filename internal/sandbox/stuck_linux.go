//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// A new process usually executes its program within a millisecond. Until then a thread of
// this program waits for it.
const (
	// longestStop is how long it may be stopped. Another process of its user can do that.
	longestStop = time.Second
	// longestPreparation is how long it may take on a host that has too much to do, or whose
	// file server does not answer.
	longestPreparation = 10 * time.Second
)

var (
	errStopped = errors.New("the process was killed because it did not execute its program: another process of its user stopped it")
	errStuck   = fmt.Errorf("the process was killed because it did not execute its program within %v: the host has too much to do, or a file server does not answer", longestPreparation)
)

// killLater kills a process, by its descriptor or its id, if it is still stopped after
// longestStop, or still there after longestPreparation. stop ends that, and returns the
// reason for which the process was killed, or nil.
func killLater(fd *int32, isPidfd bool) (stop func() (killed error)) {
	ended, done := make(chan struct{}), make(chan struct{})
	var killed error
	timer := time.AfterFunc(longestStop, func() {
		defer close(done)
		for waited := longestStop; killed == nil; waited += longestStop {
			n := int(atomic.LoadInt32(fd))
			switch {
			case n < 0: // no process exists yet
			case isStopped(n, isPidfd):
				killed = errStopped
			case waited >= longestPreparation:
				killed = errStuck
			}
			if killed != nil {
				kill(n, isPidfd)
				return
			}
			select {
			case <-ended:
				return
			case <-time.After(longestStop):
			}
		}
	})
	return func() error {
		if timer.Stop() {
			return nil
		}
		close(ended)
		<-done
		return killed
	}
}

func kill(n int, isPidfd bool) {
	if isPidfd {
		_ = unix.PidfdSendSignal(n, unix.SIGKILL, nil, 0)
	} else {
		_ = unix.Kill(n, unix.SIGKILL)
	}
}

// isStopped reports whether a process is stopped, by a signal or a debugger. It returns true,
// too, if this is not known.
func isStopped(n int, isPidfd bool) bool {
	pid := n
	if isPidfd {
		pid = pidOf(n)
	}
	stat, err := procfs.ReadStat(pid)
	return err != nil || stat.State == 'T' || stat.State == 't'
}

// pidOf returns the process of a descriptor (proc_pid_fdinfo(5)), or 0 if it is not known.
func pidOf(pidfd int) int {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(info) {
		if text, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
			pid, _ := procfs.ParseNumber(bytes.TrimSpace(text))
			return int(pid)
		}
	}
	return 0
}
