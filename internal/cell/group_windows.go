package cell

import (
	"os"
	"syscall"
)

// groupBlock makes cells that hold only the command's own process.
type groupBlock struct{}

func (groupBlock) kind() string { return "process" }

func sysProcAttr(*User) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func (g *group) members() ([]int, error) { return nil, nil }

// signal kills the process, whatever the signal.
func (g *group) signal(syscall.Signal) error {
	p, err := os.FindProcess(g.leader)
	if err != nil {
		return nil // it has exited
	}
	defer p.Release()
	return p.Kill()
}

func endedBy(*os.ProcessState) syscall.Signal { return 0 }

// signalProcess does nothing: the cell's signal has killed the process.
func signalProcess(int, syscall.Signal) {}
