//go:build !linux

package sandbox

import (
	"os"
	"time"
)

// process is the leader of a run.
type process struct {
	pid        int
	err        error // why the process could not be started
	background *background
}

// exitWaiters are not used here: a goroutine waits for each process.
type exitWaiters struct{ none bool }

func (*exitWaiters) close() {}

func hasPidfds() bool { return false }

func newProcess(*exitWaiters) *process { return &process{} }

func (p *process) start(l launch) error {
	files := make([]*os.File, len(l.files))
	for i, f := range l.files {
		files[i] = f.File
	}
	started, err := os.StartProcess(l.path, l.argv, &os.ProcAttr{Dir: l.dir, Env: l.env, Files: files, Sys: l.sys})
	if err != nil {
		return &StartError{err}
	}
	p.pid = started.Pid
	p.background = waitInBackground(func() exit { return waitFor(started) })
	return nil
}

// launched reports the result of start, or the reason why start was not called.
func (p *process) launched(err error) { p.err = err }

func waitFor(p *os.Process) exit {
	state, err := p.Wait()
	if err != nil {
		return exit{code: -1}
	}
	return exit{state.ExitCode(), endedBy(state), Usage{CPU: state.UserTime() + state.SystemTime()}}
}

// await returns the process's exit once it has ended. It returns false at the
// deadline (zero: none) and after an interrupt. If the process could not be
// started it returns true, and err is set.
func (p *process) await(deadline time.Time) (exit, bool) {
	if p.err != nil {
		return exit{code: -1}, true
	}
	return p.background.await(deadline)
}

// interrupt makes the present await return, or the next one.
func (p *process) interrupt() {
	if p.background != nil {
		p.background.interrupt()
	}
}

// quick is 0: output is always read in the background.
const quick = 0

// descriptor is one that a command gets.
type descriptor struct{ *os.File }

func openNull() (descriptor, error) {
	file, err := os.Open(os.DevNull)
	return descriptor{file}, err
}

func (d descriptor) close() { d.Close() }

// source is the reading end of a pipe.
type source struct{ *os.File }

func makePipe() (source, descriptor, error) {
	r, w, err := os.Pipe()
	return source{r}, descriptor{w}, err
}

// makeInput returns an end for the command to read from, and one to write to.
func makeInput() (descriptor, *os.File, error) {
	r, w, err := os.Pipe()
	return descriptor{r}, w, err
}

// readNow is used for short runs only, which do not exist here.
func (s source) readNow([]byte) int { return 0 }

func (s source) close() { s.Close() }

func (s source) file() *os.File { return s.File }
