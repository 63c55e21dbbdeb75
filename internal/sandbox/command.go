package sandbox

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
	// Limits of this command. If one is zero, the supervisor's holds.
	Limits Limits
	// Writable confines the command: it may write below these directories, and nowhere
	// else. [Confinement] says what else is forbidden to it then. Directories that do
	// not exist are left out. Empty: the command is not confined.
	Writable []string
	// Mounts are made one after the other, for a confined command only. Where
	// [Confinement.Mounts] is false, the command does not start.
	Mounts []Mount
	// NoNetwork starts the command without a network, see [CheckNoNetwork].
	NoNetwork bool
	// Prompt is the interval at which a newline is written to the command's standard
	// input. The first is written at once. The input is closed before the command is
	// ended. Zero: the standard input is empty.
	Prompt time.Duration
	// MaxStdout is the number of bytes above which the command is killed.
	// Zero: no limit.
	MaxStdout int
	// Stream, unless nil, reads stdout while the command writes it. It runs in its own
	// goroutine until Read fails. The command waits while Stream does not read. If
	// Stream returns an error other than io.EOF, the command is ended and Run returns
	// that error. Stream has to return soon after the run's context has ended.
	// MaxStdout is not used then.
	Stream func(stdout io.Reader) error
	// MaxStderr is the number of bytes that are kept of the end of stderr.
	MaxStderr int
}

// Result is the result of a run.
type Result struct {
	// Stdout is what was written to stdout, or only its beginning if it was too much.
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
	// Survivors are the processes that still existed half a second after SIGKILL, such
	// as one that waits for a dead file server. The supervisor waits for them in the
	// background.
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

// Errors of [Supervisor.Run] if the command did not exit by itself.
var (
	// ErrEnded means that the context ended first. The error also wraps the
	// context's cause.
	ErrEnded = errors.New("was stopped before it finished")
	// ErrStdout means that the command wrote more to stdout than it may.
	ErrStdout = errors.New("was killed because it wrote too much to its standard output")
	// ErrMemory means that the outputs of all commands that ran at that time took
	// more than [Config.MaxOutputs].
	ErrMemory = errors.New("was killed because the outputs of all commands that ran at that time took too much memory")
)

// StartError means that a command could not be executed.
type StartError struct{ Err error }

func (e *StartError) Error() string { return "cannot be started: " + e.Err.Error() }

// Unwrap returns the cause, which wraps a [syscall.Errno].
func (e *StartError) Unwrap() error { return e.Err }
