package gitrunner

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"

	"github.com/lodastack/agent/internal/sandbox"
)

// DefaultGitUser is the user that git runs as if the agent is root, the user
// exists, and [Config.GitUser] is empty.
const DefaultGitUser = "agent-git"

// gitUser is the user that git runs as. The zero value is the agent's own
// user.
type gitUser struct {
	user       *sandbox.User
	name, home string
}

// lookupGitUser chooses git's user for an agent that runs as euid. It chooses
// root if git may need keys or files of root's, or if there is no other user.
func lookupGitUser(name, pluginsUser string, t template, euid int) (gitUser, error) {
	if name != "" {
		return namedGitUser(name, pluginsUser, euid)
	}
	if euid != 0 || t.text == "" || needsOwnUser(t) {
		return gitUser{}, nil
	}
	if _, err := user.Lookup(DefaultGitUser); err != nil {
		return gitUser{}, nil
	}
	return namedGitUser(DefaultGitUser, pluginsUser, euid)
}

// namedGitUser returns a user that must exist. An agent that is not root cannot
// change to it, and gets its own user.
func namedGitUser(name, pluginsUser string, euid int) (gitUser, error) {
	if name == DynamicUser {
		return gitUser{}, fmt.Errorf("%s is only for plugins; name a user of this system", name)
	}
	found, err := user.Lookup(name)
	if err != nil {
		return gitUser{}, fmt.Errorf("there is no user %q on this system; create it (useradd --system --create-home %[1]s) or name another", name)
	}
	if euid != 0 || found.Uid == "0" {
		return gitUser{}, nil
	}
	if name == pluginsUser {
		return gitUser{}, fmt.Errorf("%s is the user of the plugins (agent.pluginsuser): plugins could change what git is fetching; name another user", name)
	}
	u := gitUser{name: name, home: found.HomeDir}
	if u.user, err = credentials(found); err != nil {
		return gitUser{}, fmt.Errorf("the user %q: %w", name, err)
	}
	return u, nil
}

// needsOwnUser reports whether git may need ssh keys, directories, a git configuration
// or passwords that only the agent's user has.
func needsOwnUser(t template) bool {
	if t.scheme == "ssh" || t.scheme == "file" {
		return true
	}
	home := os.Getenv("HOME")
	if home == "" {
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		}
	}
	for _, name := range []string{".gitconfig", ".config/git/config", ".git-credentials", ".netrc"} {
		if _, err := os.Stat(filepath.Join(home, name)); err == nil {
			return true
		}
	}
	return false
}

// give gives an empty directory to git's user. Nobody else may enter it.
func (u gitUser) give(dir string) error {
	if u.user == nil {
		return nil
	}
	return os.Chown(dir, int(u.user.UID), int(u.user.GID))
}

// checkAccess returns an error if git's user may not enter its working
// directory.
func (u gitUser) checkAccess(dir string) error {
	if u.user == nil {
		return nil
	}
	if closed := closedTo(u.user, dir); closed != "" {
		return fmt.Errorf("the user %s, which git runs as (agent.gituser), may not enter the directory %s: chmod o+x %[2]s", u.name, closed)
	}
	return nil
}

// RunsGitAsRoot reports whether git runs as root to fetch from another host, although it
// needs no key or configuration of root's.
func RunsGitAsRoot(git, name, pluginsUser string) bool {
	t, err := parseTemplate(git)
	if err != nil || t.scheme == "file" {
		return false
	}
	u, err := lookupGitUser(name, pluginsUser, t, os.Geteuid())
	return err == nil && u.user == nil && name == "" && os.Geteuid() == 0
}

// CheckGitUser returns an error if git cannot run as the user of [Config.GitUser].
func CheckGitUser(name, pluginsUser string) error {
	if name == "" {
		return nil
	}
	_, err := namedGitUser(name, pluginsUser, os.Geteuid())
	return err
}
