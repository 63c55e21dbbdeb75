package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/cell"
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

// lastWords picks what git says is wrong: its first fatal message, which the
// later ones only follow from, or else its last line.
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

// git runs git and returns what it prints.
func (r *Runner) git(ctx context.Context, dir string, args ...string) (string, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return "", errors.New("plugins cannot be installed: there is no program git on this host's PATH")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.config.GitTimeout, fmt.Errorf("no end after %v", r.config.GitTimeout))
	defer cancel()
	res, err := r.tools.Run(ctx, cell.Command{
		Path:      path,
		Args:      append(r.gitOptions(), args...),
		Dir:       dir,
		Env:       append(gitEnv(os.Environ()), r.ssh()...),
		MaxStdout: 1 << 20,
		MaxStderr: 4 << 10,
	})
	if res.Usage.OutOfMemory {
		err = fmt.Errorf("used more than its %d MiB of memory", gitMemory>>20)
	}
	if err != nil {
		return "", &gitError{string(res.Stderr), err}
	}
	if res.ExitCode != 0 {
		return "", &gitError{string(res.Stderr), nil}
	}
	return string(res.Stdout), nil
}

// gitOptions keep git from running anything of the repository and from
// following other transports than the configured one.
func (r *Runner) gitOptions() []string {
	options := []string{
		"protocol.allow=never",
		"protocol." + r.template.scheme + ".allow=always",
		"core.hooksPath=" + os.DevNull,
		"core.fsmonitor=false",
		"submodule.recurse=false",
		"gc.auto=0",
		"maintenance.auto=false",
		"credential.interactive=false",
		"http.lowSpeedLimit=1000",
		"http.lowSpeedTime=30",
	}
	if r.template.scheme == "http" { // servers redirect
		options = append(options, "protocol.https.allow=always")
	}
	var args []string
	for _, option := range options {
		args = append(args, "-c", option)
	}
	return args
}

// gitEnv is the agent's environment, without what would make git work on
// another repository and with what keeps it from asking anybody.
func gitEnv(environ []string) []string {
	drop := []string{
		"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
		"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_TEMPLATE_DIR", "GIT_SHALLOW_FILE", "GIT_ALLOW_PROTOCOL",
		"GIT_TERMINAL_PROMPT", "GIT_ASKPASS", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "GCM_INTERACTIVE", "LC_ALL", "LANGUAGE",
	}
	env := slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(drop, name)
	})
	return append(env, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=false", "SSH_ASKPASS=false", "SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never", "LC_ALL=C")
}

// sshEnv makes ssh fail where it would ask, unless the user has set up an ssh
// command for git; then there still is no terminal on which it could ask.
func (r *Runner) sshEnv() []string {
	if r.template.scheme != "ssh" || os.Getenv("GIT_SSH_COMMAND") != "" || os.Getenv("GIT_SSH") != "" {
		return nil
	}
	path, err := exec.LookPath("git")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.config.GitTimeout)
	defer cancel()
	res, err := r.tools.Run(ctx, cell.Command{Path: path, Args: []string{"config", "--get", "core.sshCommand"}, Dir: r.session.dir, Env: gitEnv(os.Environ()), MaxStdout: 4 << 10})
	if err != nil || len(res.Stdout) > 0 {
		return nil
	}
	return []string{"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=15"}
}

// remote is what git ls-remote tells of a repository.
type remote struct {
	branch string // to install; empty: whatever HEAD is
	commit string
}

// lookup asks a repository for its release branch, or else its default one.
func (r *Runner) lookup(ctx context.Context, address string) (remote, error) {
	release := "refs/heads/" + r.config.Branch
	out, err := r.git(ctx, r.session.dir, "ls-remote", "--symref", "--", address, "HEAD", release)
	if err != nil {
		return remote{}, err
	}
	return parseRemote(out, release)
}

// parseRemote reads lines "COMMIT\tREF" and "ref: REF\tHEAD".
func parseRemote(out, release string) (remote, error) {
	var head remote
	for line := range strings.Lines(out) {
		value, ref, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		target, symbolic := strings.CutPrefix(value, "ref: refs/heads/")
		switch {
		case symbolic && ref == "HEAD":
			head.branch = target
		case ref == release:
			return remote{strings.TrimPrefix(release, "refs/heads/"), value}, nil
		case ref == "HEAD":
			head.commit = value
		}
	}
	if head.commit == "" {
		return remote{}, errors.New("it is empty: it has neither the release branch nor a default branch with a commit")
	}
	return head, nil
}
