package cell

import (
	"errors"
	"syscall"
	"time"
)

// Command is what to run.
type Command struct {
	// Path of the executable; a relative one starts at Dir.
	Path string
	// Args without the command's own name.
	Args []string
	// Dir is the working directory.
	Dir string
	// Env is the whole environment, NAME=VALUE.
	Env []string
	// User that the command runs as. Nil: the program's own.
	User *User
	// Limits in place of the warden's, each where it is not zero.
	Limits Limits
	// Writable are the directories below which the command may write, and nowhere
	// else; see [Confinement] for what else that takes from it. Those that do not
	// exist are left out. Empty: it is not confined.
	Writable []string
	// NoNetwork takes the network away; see [CheckNoNetwork].
	NoNetwork bool
	// MaxStdout is the number of bytes above which the command is killed.
	// Zero: no limit.
	MaxStdout int
	// MaxStderr is the number of bytes of which the end is kept.
	MaxStderr int
}

// Result is how a run went.
type Result struct {
	// Stdout that was written; where it was too much, the beginning of it.
	Stdout []byte
	// Stderr is the end of what was written.
	Stderr []byte
	// StdoutSize and StderrSize are the numbers of bytes written, as far as
	// they were read.
	StdoutSize, StderrSize int64
	// ExitCode is -1 where a signal ended the command.
	ExitCode int
	// Signal that ended the command, or 0.
	Signal syscall.Signal
	// Duration from the start to the end of the last process.
	Duration time.Duration
	// Leftover is the number of processes that the command left when it
	// exited.
	Leftover int
	// Survivors are processes that were still there half a second after
	// SIGKILL: one that waits for a dead file server, for example. They are
	// waited for in the background.
	Survivors []int
	// Gone is closed when no survivor is left.
	Gone  <-chan struct{}
	Usage Usage
}

// Usage is what a run used, with all its processes as far as known.
type Usage struct {
	// CPU time, user and system.
	CPU time.Duration
	// PeakMemory in bytes: of all processes together in a cgroup with the
	// memory controller, else of the largest one. Zero: not known.
	PeakMemory int64
	// OutOfMemory says that processes were killed because the run used more
	// memory than it may.
	OutOfMemory bool
}

// Errors of [Warden.Run] where the command did not exit by itself.
var (
	// ErrEnded says that the context ended first; its cause is wrapped beside
	// it.
	ErrEnded = errors.New("was stopped before it had finished")
	// ErrStdout says that the command wrote more to stdout than it may.
	ErrStdout = errors.New("was killed because it wrote too much to its standard output")
)

// StartError is returned where a command could not be executed.
type StartError struct{ Err error }

func (e *StartError) Error() string { return "cannot be started: " + e.Err.Error() }

// Unwrap returns the cause, which wraps a [syscall.Errno].
func (e *StartError) Unwrap() error { return e.Err }
