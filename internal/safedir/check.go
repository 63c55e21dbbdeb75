package safedir

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/safefile"
)

// Check returns an error if the directory at path cannot be the agent's own: it is, or
// contains, a directory of the system or a user's home, or it is inside a directory that
// belongs to the system completely. The directory need not exist. Symbolic links in the
// existing part of the path are followed.
func Check(path string) error {
	path = filepath.Clean(path)
	err := check(path)
	if resolved := safefile.Resolve(path); err == nil && resolved != path {
		if err = check(resolved); err != nil {
			err = fmt.Errorf("%s leads to %s: %w", path, resolved, err)
		}
	}
	return err
}

// CheckData returns an error if the directory at data cannot keep the agent's data while
// plugins are in the directory at plugins: it would be, contain or be inside a plugin,
// PLUGINS/NS/PROJECT. Names that begin with a dot are not namespaces.
func CheckData(plugins, data string) error {
	plugins, data = safefile.Resolve(plugins), safefile.Resolve(data)
	if contains(data, plugins) {
		return fmt.Errorf("%s holds the plugins (agent.pluginsdir); name a directory of its own, or leave the key out", data)
	}
	if !contains(plugins, data) {
		return nil
	}
	inside := strings.TrimPrefix(strings.TrimPrefix(data, plugins), "/")
	first, _, _ := strings.Cut(inside, "/")
	switch {
	case first == ".agent-clones":
		return fmt.Errorf("%s is where plugins are cloned; write %s/.agent, or leave the key out", data, plugins)
	case !strings.HasPrefix(first, "."):
		return fmt.Errorf("%s is where the plugins of a namespace %s would be (agent.pluginsdir); write %s/.agent, or name a directory outside",
			data, first, plugins)
	}
	return nil
}

// check checks a path without links.
func check(path string) error {
	const advice = "name a directory of the agent's own"
	shared := append(sharedDirs(), homes("/etc/passwd")...)
	for _, system := range systemTrees() {
		switch {
		case path == system || path == safefile.Resolve(system):
			return fmt.Errorf("%s belongs to the system; %s", path, advice)
		case contains(system, path) || contains(safefile.Resolve(system), path):
			return fmt.Errorf("%s is in %s, which belongs to the system; %s", path, system, advice)
		}
		shared = append(shared, system)
	}
	for _, other := range shared {
		if path == other || path == safefile.Resolve(other) {
			return fmt.Errorf("%s is not only the agent's; %s", path, advice)
		}
	}
	if parent := filepath.Dir(path); parent == "/home" || parent == safefile.Resolve("/home") {
		return fmt.Errorf("%s is directly in %s, where users have their homes; %s", path, parent, advice)
	}
	for _, other := range shared {
		if contains(path, other) || contains(path, safefile.Resolve(other)) {
			return fmt.Errorf("%s contains %s, which is not only the agent's; %s", path, other, advice)
		}
	}
	return nil
}

// contains reports whether other is dir or is inside it.
func contains(dir, other string) bool {
	return dir == other || dir == "/" || strings.HasPrefix(other, dir+"/")
}

// systemTrees are directories that belong to the system completely (hier(7)).
func systemTrees() []string {
	return []string{
		"/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc",
		"/run/systemd", "/sbin", "/sys", "/usr/bin", "/usr/include",
		"/usr/lib", "/usr/lib64", "/usr/local/bin", "/usr/local/etc",
		"/usr/local/go", "/usr/local/include", "/usr/local/man",
		"/usr/local/sbin", "/usr/sbin", "/usr/share", "/usr/src",
	}
}

// sharedDirs are directories that contain directories of many programs.
func sharedDirs() []string {
	return []string{
		"/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp",
		"/usr/libexec", "/usr/local/games", "/usr/local/lib",
		"/usr/local/libexec", "/usr/local/share", "/usr/local/src",
		"/var/cache", "/var/lib", "/var/log", "/var/mail", "/var/opt",
		"/var/run", "/var/spool", "/var/tmp",
	}
}

// homes are the home directories of all users.
func homes(passwd string) []string {
	var homes []string
	if home, err := os.UserHomeDir(); err == nil {
		homes = append(homes, filepath.Clean(home))
	}
	file, err := os.Open(passwd)
	if err != nil {
		return homes
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// passwd(5): name:password:UID:GID:GECOS:directory:shell
		fields := strings.Split(lines.Text(), ":")
		// Users without a home, such as nobody, have / in some systems.
		if len(fields) >= 6 && filepath.IsAbs(fields[5]) && fields[5] != "/" {
			homes = append(homes, filepath.Clean(fields[5]))
		}
	}
	slices.Sort(homes)
	return slices.Compact(homes)
}
