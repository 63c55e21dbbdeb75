//go:build unix && !linux

package sandbox

import (
	"os"
	"syscall"
)

// processGroupBackend makes sandboxes that are process groups. A process can escape by
// leaving its group.
type processGroupBackend struct{}

func (processGroupBackend) kind() string { return "process group" }

func sysProcAttr(user *User) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if user != nil {
		attr.Credential = &syscall.Credential{Uid: user.UID, Gid: user.GID, Groups: user.Groups}
	}
	return attr
}

// members returns the negative number of the group if a process is left in it.
// Until the leader is reaped, it counts too.
func (g *processGroup) members() ([]int, error) {
	if syscall.Kill(-g.leader, 0) != nil {
		return nil, nil
	}
	return []int{-g.leader}, nil
}

func (g *processGroup) signal(sig syscall.Signal) error {
	syscall.Kill(-g.leader, sig)
	return nil
}

func endedBy(state *os.ProcessState) syscall.Signal {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return status.Signal()
	}
	return 0
}

func signalProcess(pid int, sig syscall.Signal) { syscall.Kill(pid, sig) }
