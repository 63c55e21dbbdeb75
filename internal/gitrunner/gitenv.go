package gitrunner

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/sandbox"
)

// notForGit are variables that would make git use another repository or ask for
// input.
var notForGit = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_TEMPLATE_DIR", "GIT_SHALLOW_FILE", "GIT_ALLOW_PROTOCOL",
	"GIT_TERMINAL_PROMPT", "GIT_ASKPASS", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "GCM_INTERACTIVE", "LC_ALL", "LANGUAGE",
	"GIT_CEILING_DIRECTORIES",
}

// forAnotherUser are the only variables of the agent that git gets when it runs
// as another user.
var forAnotherUser = []string{
	"PATH", "LANG", "TZ", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "GIT_PROXY_COMMAND",
}

// gitEnv returns the environment of git. With it, git does not ask for input, and does
// not use a repository that contains the plugins' directory.
func (c *client) gitEnv() []string {
	env := ownEnv(os.Environ())
	if c.gitUser.user != nil {
		env = append(slices.DeleteFunc(env, func(v string) bool { return !slices.Contains(forAnotherUser, nameOf(v)) }),
			"HOME="+c.gitUser.home, "USER="+c.gitUser.name, "LOGNAME="+c.gitUser.name)
	}
	env = append(env, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=false", "SSH_ASKPASS=false", "SSH_ASKPASS_REQUIRE=never",
		"GCM_INTERACTIVE=never", "LC_ALL=C", "GIT_CEILING_DIRECTORIES="+filepath.Dir(c.gitDir))
	return append(env, c.template.login.env()...)
}

// ownEnv returns environ without the variables of notForGit. If HOME is missing, as in a
// system service under systemd, it takes HOME from the user database, because git reads
// the user's configuration there.
func ownEnv(environ []string) []string {
	env := slices.DeleteFunc(slices.Clone(environ), func(v string) bool { return slices.Contains(notForGit, nameOf(v)) })
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "HOME=") && v != "HOME=" }) {
		if u, err := user.Current(); err == nil {
			env = append(env, "HOME="+u.HomeDir)
		}
	}
	return env
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}

// sshEnv makes ssh fail instead of asking for input, unless the user has set an ssh
// command for git. That command has no terminal to ask on.
func (c *client) sshEnv() []string {
	if c.template.scheme != "ssh" || os.Getenv("GIT_SSH_COMMAND") != "" || os.Getenv("GIT_SSH") != "" {
		return nil
	}
	path, err := exec.LookPath("git")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.gitTimeout)
	defer cancel()
	res, err := c.gitSandbox.Run(ctx, sandbox.Command{Path: path, Args: []string{"config", "--get", "core.sshCommand"}, Dir: c.gitDir, User: c.gitUser.user, Env: c.gitEnv(), MaxStdout: 4 << 10})
	if err != nil || len(res.Stdout) > 0 {
		return nil
	}
	return []string{"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=15"}
}
