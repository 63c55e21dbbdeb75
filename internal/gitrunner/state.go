package gitrunner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/sandbox"
)

// stateName is the directory of the plugins' own files,
// PLUGINSDIR/.agent-state/NS/PROJECT. It is beside the plugins, not in the data
// directory, because only the agent's user may enter that one. The directories above a
// plugin's have mode 0711: everybody may enter them, and only the agent may list them.
const stateName = ".agent-state"

// stateDir returns the plugin's own directory, and makes it if it is missing. The names
// of the plugin have been checked.
func (r *Runner) stateDir(p agent.Plugin, o owner) (string, error) {
	root, err := r.stateRoot()
	if err != nil {
		return "", err
	}
	_, project, _ := splitRepo(p.Repo)
	dir := filepath.Join(root, p.Namespace, project)
	if err := o.ensureDir(dir); err != nil {
		return "", fmt.Errorf("the plugin's directory for its state: %w", err)
	}
	return dir, nil
}

// stateRoot returns the directory above the plugins' state.
func (r *Runner) stateRoot() (dir string, err error) {
	if r.session != nil {
		return filepath.Join(r.config.PluginsDir, stateName), nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trial == "" {
		r.trial, err = makeTrialRoot()
	}
	return r.trial, err
}

// makeTrialRoot makes the state root of a runner that installs nothing.
func makeTrialRoot() (string, error) {
	parent := ""
	if os.Geteuid() == 0 { // not below /tmp: the plugin sees its own directory there
		parent = "/var/tmp"
	}
	dir, err := os.MkdirTemp(parent, "agent-state-")
	if err != nil {
		return "", fmt.Errorf("making a directory for the plugin's state: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, nil
}

// ensureDir makes dir if it is missing, and gives it to the owner if it belongs to
// another user.
func (o owner) ensureDir(dir string) error {
	info, err := os.Lstat(dir)
	// Retried because the namespace's directory may just have been removed with another
	// plugin of it.
	for attempt := 0; errors.Is(err, fs.ErrNotExist) && attempt < 2; attempt++ {
		if err := makeParents(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		info, err = os.Lstat(dir)
	}
	if err != nil {
		return err
	}
	if o.user == nil && os.Geteuid() != 0 {
		return nil
	}
	if user := o.ids(); uidOf(info) != user.UID {
		return giveTree(dir, user)
	}
	return nil
}

// ids returns the ids of the owner's files.
func (o owner) ids() sandbox.User {
	if o.user != nil {
		return *o.user
	}
	return sandbox.User{}
}

// makeParents makes a directory and its two parents, which everybody may enter and
// only the agent may list.
func makeParents(dir string) error {
	above := filepath.Dir(dir)
	for _, path := range []string{filepath.Dir(above), above, dir} {
		if err := makeDir(path, 0o711); err != nil {
			return err
		}
	}
	return nil
}

// removeState removes a plugin's state and its /tmp. They are moved away first: a run
// under way may still write to them, and the next plugin of this name starts with empty
// ones.
func (r *Runner) removeState(p agent.Plugin) error {
	_, project, _ := splitRepo(p.Repo)
	root := filepath.Join(r.config.PluginsDir, stateName)
	for name, dir := range map[string]string{
		"state": filepath.Join(root, p.Namespace, project),
		"tmp":   filepath.Join(root, tmpName, p.Namespace, project),
	} {
		if err := r.removeAside(p, name, dir); err != nil {
			return fmt.Errorf("removing the %s of plugin %s of namespace %s: %w", name, p.Repo, p.Namespace, err)
		}
	}
	return nil
}

// removeAside renames a directory at once, and removes it when the run under way has
// ended.
func (r *Runner) removeAside(p agent.Plugin, name, dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	aside, err := r.session.tempDir()
	if err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(aside, name)); err != nil {
		return errors.Join(err, os.Remove(aside))
	}
	os.Remove(filepath.Dir(dir)) // fails if it contains other plugins' directories
	return r.slot(p).discard(aside)
}
