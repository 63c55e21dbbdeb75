package gitrunner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/sandbox"
)

// gitError is a failed call of git.
type gitError struct {
	stderr string
	err    error // nil: git exited with a status other than 0
}

func (e *gitError) Error() string {
	if e.err != nil {
		return "git: " + e.err.Error()
	}
	return "git says: " + lastWords(e.stderr)
}

func (e *gitError) Unwrap() error { return e.err }

// says reports whether git failed with this text on its standard error.
func says(err error, words string) bool {
	var failed *gitError
	return errors.As(err, &failed) && strings.Contains(failed.stderr, words)
}

// lastWords returns the reason from git's output: the first fatal message,
// which causes the later ones, or else the last line.
func lastWords(stderr string) string {
	lines := strings.FieldsFunc(stderr, func(c rune) bool { return c == '\n' || c == '\r' })
	if len(lines) == 0 {
		return "nothing"
	}
	for i, line := range lines {
		if message, ok := strings.CutPrefix(line, "fatal: "); ok {
			if i > 0 && strings.HasPrefix(message, "Could not read from remote") {
				return lines[i-1]
			}
			return message
		}
	}
	return lines[len(lines)-1]
}

// client calls git for the repositories of one address. Its fields are set before the first
// call.
type client struct {
	template template // its zero value: there is no address
	// What messages call the address, and the limits of the size and of the files.
	called, sizeKey, filesKey string

	gitUser    gitUser
	gitSandbox *sandbox.Supervisor
	gitDir     string        // above all directories that git works in
	gitTimeout time.Duration // of all calls for one repository together
	maxSize    int64         // of a transfer and of all files, in bytes
	maxFiles   int           // of files and directories
	ssh        func() []string
}

// git runs git and returns its output, 1 MiB at most.
func (c *client) git(ctx context.Context, dir string, args ...string) (string, error) {
	return c.gitUpTo(1<<20, ctx, dir, args...)
}

// gitUpTo is git with another limit of the output, in bytes.
func (c *client) gitUpTo(maxStdout int, ctx context.Context, dir string, args ...string) (string, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return "", errors.New("there is no program git on this host's PATH, which fetches repositories: install it")
	}
	command := sandbox.Command{
		Path:      path,
		Args:      append(c.gitOptions(), args...),
		Dir:       dir,
		User:      c.gitUser.user,
		Env:       append(c.gitEnv(), c.ssh()...),
		MaxStdout: maxStdout,
		MaxStderr: 4 << 10,
	}
	res, err := c.gitSandbox.Run(ctx, c.limits().apply(command))
	switch {
	case res.Usage.OutOfMemory, bytes.Contains(res.Stderr, []byte("ut of memory")): // the limit of the sandbox, or git's own
		return "", fmt.Errorf("the repository is refused: git used more than its %d MiB of memory", gitMemory>>20)
	case errors.Is(err, sandbox.ErrEnded) && errors.Is(context.Cause(ctx), errGitTimeout):
		return "", context.Cause(ctx)
	case err != nil:
		return "", &gitError{string(res.Stderr), err}
	case res.ExitCode != 0:
		return "", c.explain(&gitError{string(res.Stderr), nil})
	}
	return string(res.Stdout), nil
}

// errGitTimeout is the cause of a context that ended after [Config.GitTimeout].
var errGitTimeout = errors.New("git timed out")

// withGitTimeout limits the time of all calls of git for one repository together.
func (c *client) withGitTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := c.gitTimeout
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w after %v (agent.gittimeout)", errGitTimeout, limit))
}

// gitOptions returns the options with which git executes nothing of the repository, uses
// only the configured transport, and needs little memory.
func (c *client) gitOptions() []string {
	options := []string{
		"protocol.allow=never",
		"protocol." + c.template.scheme + ".allow=always",
		"core.hooksPath=" + os.DevNull,
		"core.fsmonitor=false",
		"submodule.recurse=false",
		"gc.auto=0",
		"maintenance.auto=false",
		"credential.interactive=false",
		"http.lowSpeedLimit=1000",
		"http.lowSpeedTime=30",
		"advice.detachedHead=false",
		"init.defaultBranch=main",
		// Store one pack, whose size is limited, in place of many loose files.
		"transfer.unpackLimit=1",
		// Copy larger files in pieces, do not hold them in memory.
		"core.bigFileThreshold=1m",
		"core.packedGitWindowSize=1m",
		"core.packedGitLimit=16m",
		"core.deltaBaseCacheLimit=8m",
		"pack.threads=1",
		"index.threads=1",
		"checkout.workers=1",
	}
	if c.template.scheme == "http" { // servers redirect
		options = append(options, "protocol.https.allow=always")
	}
	options = append(options, c.template.login.options()...)
	var args []string
	for _, option := range options {
		args = append(args, "-c", option)
	}
	return args
}
