package cell

import (
	"os"
	"syscall"
)

// sysProcAttr makes the command the leader of a session, away from any
// terminal, that ends when the program around it is killed.
func sysProcAttr(config Config) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if u := config.User; u != nil {
		attr.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	return attr
}

func endedBy(state *os.ProcessState) syscall.Signal {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return status.Signal()
	}
	return 0
}

// usageOf returns what the leader and the children that it waited for have
// used. A new process counts the peak of the program that started it as its
// own (getrusage(2) survives execve), so that only a larger one is known to
// be the command's.
func usageOf(state *os.ProcessState) Usage {
	u := Usage{CPU: state.UserTime() + state.SystemTime()}
	theirs := state.SysUsage().(*syscall.Rusage)
	var ours syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ours); err == nil && theirs.Maxrss > ours.Maxrss {
		u.PeakMemory = theirs.Maxrss * 1024
	}
	return u
}
