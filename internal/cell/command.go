package cell

import (
	"errors"
	"io"
	"syscall"
	"time"
)

// Command is what to run.
type Command struct {
	// Path of the executable. A relative one is relative to Dir.
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
	// Mounts are made one after the other, for a confined command alone. Where
	// [Confinement] has no Mounts, the command does not start.
	Mounts []Mount
	// NoNetwork takes the network away; see [CheckNoNetwork].
	NoNetwork bool
	// Prompt is how often a newline is written to the command's standard input, which
	// is closed before the command is ended. The first is written at once. Zero: its
	// standard input is empty.
	Prompt time.Duration
	// MaxStdout is the number of bytes above which the command is killed.
	// Zero: no limit.
	MaxStdout int
	// Stream, unless nil, reads stdout while it comes, in a goroutine of its own,
	// until Read fails. What it does not read, the command waits with. An error
	// other than io.EOF ends the command and is the run's. Stream has to return soon
	// after the run's context has ended. MaxStdout is not used then.
	Stream func(stdout io.Reader) error
	// MaxStderr is how much of the end of stderr is kept, in bytes.
	MaxStderr int
}

// Result is how a run went.
type Result struct {
	// Stdout is what was written to stdout: the beginning of it if it was too
	// much.
	Stdout []byte
	// Stderr is the end of what was written to stderr.
	Stderr []byte
	// StdoutSize and StderrSize are the numbers of bytes that were read.
	StdoutSize, StderrSize int64
	// ExitCode is -1 if a signal ended the command.
	ExitCode int
	// Signal that ended the command, or 0.
	Signal syscall.Signal
	// Duration from the start to the end of the last process.
	Duration time.Duration
	// Leftover is the number of processes that the command left when it
	// exited.
	Leftover int
	// Survivors are processes that were still there half a second after
	// SIGKILL, such as one that waits for a dead file server. The warden waits
	// for them in the background.
	Survivors []int
	// Gone is closed when no survivor is left.
	Gone  <-chan struct{}
	Usage Usage
}

// Usage is what a run used, with all its processes as far as known.
type Usage struct {
	// CPU time, user and system.
	CPU time.Duration
	// PeakMemory in bytes: of all processes together if the cgroup has the
	// memory controller, else of the largest process. Zero: unknown.
	PeakMemory int64
	// OutOfMemory means that processes were killed at the memory limit.
	OutOfMemory bool
}

// Errors of [Warden.Run] if the command did not exit by itself.
var (
	// ErrEnded means that the context ended first. The error also wraps the
	// context's cause.
	ErrEnded = errors.New("was stopped before it finished")
	// ErrStdout means that the command wrote more to stdout than it may.
	ErrStdout = errors.New("was killed because it wrote too much to its standard output")
	// ErrMemory says that the outputs of the commands that ran at the time took
	// more than [Config.MaxOutputs].
	ErrMemory = errors.New("was killed because the outputs of all that ran at the time took too much memory")
)

// StartError means that a command could not be executed.
type StartError struct{ Err error }

func (e *StartError) Error() string { return "cannot be started: " + e.Err.Error() }

// Unwrap returns the cause, which wraps a [syscall.Errno].
func (e *StartError) Unwrap() error { return e.Err }
