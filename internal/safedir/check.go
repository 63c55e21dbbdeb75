package safedir

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Check says why the directory at path cannot be the agent's own: it is, or
// contains, a directory of the system or somebody's home. The directory need
// not exist; symbolic links are followed as far as it does.
func Check(path string) error {
	others := append(systemDirs(), homes("/etc/passwd")...)
	for _, path := range []string{filepath.Clean(path), resolve(path)} {
		for _, other := range others {
			if contains(path, other) || contains(path, resolve(other)) {
				return fmt.Errorf("%s is or contains %s, which is not the agent's alone; name a directory of its own", path, other)
			}
		}
	}
	return nil
}

// resolve follows the symbolic links in the part of path that exists.
func resolve(path string) string {
	path = filepath.Clean(path)
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

// contains tells whether other is dir or lies in it.
func contains(dir, other string) bool {
	return dir == other || dir == "/" || strings.HasPrefix(other, dir+"/")
}

// systemDirs are directories that many programs share (hier(7)).
func systemDirs() []string {
	return []string{
		"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media",
		"/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys",
		"/tmp", "/usr/bin", "/usr/include", "/usr/lib", "/usr/libexec",
		"/usr/local/bin", "/usr/local/etc", "/usr/local/lib",
		"/usr/local/sbin", "/usr/local/share", "/usr/local/src", "/usr/sbin",
		"/usr/share", "/usr/src", "/var/cache", "/var/lib", "/var/log",
		"/var/mail", "/var/opt", "/var/run", "/var/spool", "/var/tmp",
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
		if len(fields) >= 6 && filepath.IsAbs(fields[5]) {
			homes = append(homes, filepath.Clean(fields[5]))
		}
	}
	slices.Sort(homes)
	return slices.Compact(homes)
}
