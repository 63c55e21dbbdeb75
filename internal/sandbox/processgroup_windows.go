package sandbox

import (
	"os"
	"syscall"
)

// processGroupBackend makes sandboxes that hold only the command's own process.
type processGroupBackend struct{}

func (processGroupBackend) kind() string { return "process" }

func sysProcAttr(*User) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func (g *processGroup) members() ([]int, error) { return nil, nil }

// signal kills the process, whatever the signal.
func (g *processGroup) signal(syscall.Signal) error {
	p, err := os.FindProcess(g.leader)
	if err != nil {
		return nil // it has exited
	}
	defer p.Release()
	return p.Kill()
}

func endedBy(*os.ProcessState) syscall.Signal { return 0 }

// signalProcess does nothing: the sandbox's signal has killed the process.
func signalProcess(int, syscall.Signal) {}
