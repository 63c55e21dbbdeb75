package sandbox

import "syscall"

// sysProcAttr makes the command the leader of a session, away from any
// terminal, that ends when the program around it is killed.
func sysProcAttr(user *User) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if user != nil {
		attr.Credential = &syscall.Credential{Uid: user.UID, Gid: user.GID, Groups: user.Groups}
	}
	return attr
}

func signalProcess(pid int, sig syscall.Signal) { syscall.Kill(pid, sig) }
