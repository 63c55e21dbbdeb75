//go:build !linux

package cell

import "os"

// process is the leader of a run.
type process struct {
	pid int
	os  *os.Process
}

func startProcess(l launch) (*process, error) {
	p, err := os.StartProcess(l.path, l.argv, &os.ProcAttr{Dir: l.dir, Env: l.env, Files: l.files, Sys: l.sys})
	if err != nil {
		return nil, err
	}
	return &process{p.Pid, p}, nil
}

// wait returns when the process has ended. It is called once.
func (p *process) wait() exit {
	state, err := p.os.Wait()
	if err != nil {
		return exit{code: -1}
	}
	return exit{state.ExitCode(), endedBy(state), Usage{CPU: state.UserTime() + state.SystemTime()}}
}

func makePipe() (r, w *os.File, err error) { return os.Pipe() }
