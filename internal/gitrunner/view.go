package gitrunner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/sandbox"
)

// sharedDirs are the directories for temporary files. If mounts cannot be made, a plugin
// writes to the host's. Otherwise it gets directories of its own in their place.
var sharedDirs = []string{"/tmp", "/dev/shm"}

// Directories beside the namespaces' in the directory of the states. A namespace cannot
// have such a name.
const (
	tmpName   = ".tmp"   // NS/PROJECT: a plugin sees it as /tmp and /dev/shm
	coverName = ".cover" // NS/PROJECT, empty: a plugin sees it in place of all states
)

// view is how a plugin sees the host's files.
type view struct {
	kept     []string // the plugin's own directories, which outlast a run
	writable []string
	mounts   []sandbox.Mount
}

// view returns how a plugin in dir sees the host's files: it has its own /tmp and
// /dev/shm, and sees only its own state. Its /tmp is beside its state, because some
// plugins keep files there from one run to the next.
//
// A plugin that is itself below /tmp (agent plugin test /tmp/x) shares the host's /tmp.
func (r *Runner) view(o owner, dir, state string) (view, error) {
	if !r.pluginSandbox.Confinement().Mounts {
		return view{kept: []string{state}, writable: append([]string{state}, sharedDirs...)}, nil
	}
	root, err := r.stateRoot()
	if err != nil {
		return view{}, err
	}
	name, err := filepath.Rel(root, state)
	if err != nil {
		return view{}, err
	}
	tmp, cover := filepath.Join(root, tmpName), filepath.Join(root, coverName)
	ownTmp, ownCover := filepath.Join(tmp, name), filepath.Join(cover, name)
	if err := o.ensureDir(ownTmp); err != nil {
		return view{}, err
	}
	if _, err := os.Lstat(ownCover); err != nil {
		if err := makeParents(ownCover); err != nil {
			return view{}, err
		}
	}
	v := view{kept: []string{state, ownTmp}, writable: []string{state, ownTmp}}
	above := r.sharedAbove(dir, root)
	v.writable = append(v.writable, above...)
	for _, at := range sharedDirs {
		if slices.Contains(above, at) {
			continue
		}
		if _, err := os.Stat(at); err == nil {
			v.mounts = append(v.mounts, sandbox.Mount{From: ownTmp, At: at})
		}
	}
	v.mounts = append(v.mounts, sandbox.Mount{From: state, At: ownCover}, sandbox.Mount{From: cover, At: root})
	return v, nil
}

// sharedAbove returns the shared directories that contain the plugin's directory or that
// of the states. It asks the file system once for each dir.
func (r *Runner) sharedAbove(dir, root string) []string {
	if known, ok := r.above.Load(dir); ok {
		return known.([]string)
	}
	var above []string
	for _, at := range sharedDirs {
		if below(at, dir) || below(at, root) {
			above = append(above, at)
		}
	}
	r.above.Store(dir, above)
	return above
}

// below reports whether the path is below dir, also through links.
func below(dir, path string) bool {
	for _, p := range []*string{&dir, &path} {
		if real, err := filepath.EvalSymlinks(*p); err == nil {
			*p = real
		}
	}
	return strings.HasPrefix(path, dir+string(filepath.Separator))
}

// confinement returns the restrictions of an installed plugin, and why there are no
// more.
func (r *Runner) confinement(o owner) (kept []string, why string) {
	c := r.pluginSandbox.Confinement()
	reasons := slices.Clone(c.Reasons)
	asRoot := o.user == nil && os.Geteuid() == 0
	if asRoot && c.Syscalls {
		reasons = append(reasons, "it runs as root, and may make all system calls")
	}
	if c.Mounts && !c.Files {
		reasons = append(reasons, "plugins of one user can read each other's state through /proc")
	}
	tmp := c.Mounts && !below("/tmp", r.config.PluginsDir)
	if c.Mounts && !tmp {
		reasons = append(reasons, "it shares /tmp, because agent.pluginsdir lies below that")
	}
	for _, k := range []struct {
		name  string
		holds bool
	}{{"writes", c.Files}, {"traces", c.Files}, {"signals", c.Signals}, {"syscalls", c.Syscalls && !asRoot}, {"tmp", tmp}, {"states", c.Mounts && c.Files}} {
		if k.holds {
			kept = append(kept, k.name)
		}
	}
	return kept, strings.Join(reasons, "; ")
}
