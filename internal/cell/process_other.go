//go:build !linux

package cell

import (
	"os"
	"time"
)

// process is the leader of a run.
type process struct {
	pid        int
	background *background
}

func startProcess(l launch) (*process, error) {
	p, err := os.StartProcess(l.path, l.argv, &os.ProcAttr{Dir: l.dir, Env: l.env, Files: l.files, Sys: l.sys})
	if err != nil {
		return nil, err
	}
	return &process{p.Pid, waitInBackground(func() exit { return waitFor(p) })}, nil
}

func waitFor(p *os.Process) exit {
	state, err := p.Wait()
	if err != nil {
		return exit{code: -1}
	}
	return exit{state.ExitCode(), endedBy(state), Usage{CPU: state.UserTime() + state.SystemTime()}}
}

// await returns the process's exit once it has ended. It returns false at the
// deadline (zero: never) and after an interrupt.
func (p *process) await(deadline time.Time) (exit, bool) { return p.background.await(deadline) }

// interrupt makes await return, the present one or else the next.
func (p *process) interrupt() { p.background.interrupt() }

// quick is 0: output is read from the start, in the background.
const quick = 0

// source is the reading end of a pipe.
type source struct{ *os.File }

func makePipe() (source, *os.File, error) {
	r, w, err := os.Pipe()
	return source{r}, w, err
}

// readNow is for short runs, which there are none of here.
func (s source) readNow([]byte) int { return 0 }

func (s source) close() { s.Close() }

func (s source) file() *os.File { return s.File }
