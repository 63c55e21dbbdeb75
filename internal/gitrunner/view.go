package gitrunner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/sandbox"
)

// shared are the directories that many programs need for a moment. A plugin may write
// to those of the host unless it gets directories of its own in their place.
var shared = []string{"/tmp", "/dev/shm"}

// Directories below that of the plugins' state. A namespace cannot have such a name.
const (
	tmpName   = ".tmp"   // NS/PROJECT: what a plugin sees as /tmp and /dev/shm
	coverName = ".cover" // NS/PROJECT, empty: what it sees in place of all states
)

// view is how a plugin sees the host's files.
type view struct {
	kept     []string // its own directories, which outlast a run
	writable []string
	mounts   []sandbox.Mount
}

// view returns what a plugin in dir sees: /tmp and /dev/shm are its own, and of the
// plugins' states there is its own alone. Its /tmp lies beside its state, because some
// plugins keep things there from one run to the next.
//
// A plugin that lies below /tmp itself (agent plugin test /tmp/x) shares it.
func (r *Runner) view(p agent.Plugin, dir, state string) (view, error) {
	if !r.pluginSandbox.Confinement().Mounts {
		return view{kept: []string{state}, writable: append([]string{state}, shared...)}, nil
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
	own, hole := filepath.Join(tmp, name), filepath.Join(cover, name)
	if err := r.owner(p).ensureDir(own); err != nil {
		return view{}, err
	}
	if _, err := os.Lstat(hole); err != nil {
		if err := makeParents(hole); err != nil {
			return view{}, err
		}
	}
	v := view{kept: []string{state, own}, writable: []string{state, own}}
	above := r.sharedAbove(dir, root)
	v.writable = append(v.writable, above...)
	for _, at := range shared {
		if slices.Contains(above, at) {
			continue
		}
		if _, err := os.Stat(at); err == nil {
			v.mounts = append(v.mounts, sandbox.Mount{From: own, At: at})
		}
	}
	v.mounts = append(v.mounts, sandbox.Mount{From: state, At: hole}, sandbox.Mount{From: cover, At: root})
	return v, nil
}

// sharedAbove returns the shared directories that the plugin's directory or that of
// the states lies below. It asks the file system once for each dir.
func (r *Runner) sharedAbove(dir, root string) []string {
	if known, ok := r.above.Load(dir); ok {
		return known.([]string)
	}
	var above []string
	for _, at := range shared {
		if below(at, dir) || below(at, root) {
			above = append(above, at)
		}
	}
	r.above.Store(dir, above)
	return above
}

// below reports whether the path lies below dir, through links, too.
func below(dir, path string) bool {
	for _, p := range []*string{&dir, &path} {
		if real, err := filepath.EvalSymlinks(*p); err == nil {
			*p = real
		}
	}
	return strings.HasPrefix(path, dir+string(filepath.Separator))
}

// confinement tells of an installed plugin what it is kept from, and why not from
// more.
func (r *Runner) confinement(p agent.Plugin) (kept []string, why string) {
	c := r.pluginSandbox.Confinement()
	reasons := slices.Clone(c.Reasons)
	asRoot := r.owner(p).user == nil && os.Geteuid() == 0
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
