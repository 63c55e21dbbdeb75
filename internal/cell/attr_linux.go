package cell

import "syscall"

// sysProcAttr makes the command the leader of a new session, without a
// terminal. The kernel kills the command when this program dies.
func sysProcAttr(config Config) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if u := config.User; u != nil {
		attr.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	return attr
}

func signalProcess(pid int, sig syscall.Signal) { syscall.Kill(pid, sig) }
