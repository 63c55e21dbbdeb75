package safedir_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/safedir"
)

func TestDirectoriesOfTheSystemAndHomesAreRefused(t *testing.T) {
	home := filepath.Join(t.TempDir(), "people", "ann")
	require.NoError(t, os.MkdirAll(home, 0o700))
	t.Setenv("HOME", home)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink("/", link))
	for _, dir := range []string{
		"/", "//", "/usr", "/usr/local", "/usr/local/bin", "/etc", "/var", "/var/lib", "/home", "/root", "/tmp", "/tmp/..",
		home, home + "/", filepath.Dir(home), link, filepath.Join(link, "usr"),
		"/boot/efi", "/dev/shm/agent", "/proc/1", "/sys/fs/cgroup", "/etc/ssh", "/bin/agent", "/sbin/agent", "/lib/modules", "/lib64/agent",
		"/usr/bin/agent", "/usr/sbin/agent", "/usr/lib/systemd", "/usr/share/doc", "/run/systemd/system",
		"/home/coresave", "/home/nobody-has-this",
		"/usr/local/etc", "/usr/local/games", "/usr/local/go", "/usr/local/go/src", "/usr/local/include", "/usr/local/lib",
		"/usr/local/libexec", "/usr/local/man", "/usr/local/sbin", "/usr/local/share", "/usr/local/src",
		filepath.Join(link, "etc", "ssh"), filepath.Join(link, "home", "coresave"),
	} {
		require.ErrorContains(t, safedir.Check(dir), "name a directory of the agent's own", dir)
	}
	// Only here does it cost nothing to be wrong.
	require.ErrorContains(t, new(safedir.Owned).Empty(home), "is not only the agent's")
	require.DirExists(t, home)
	for _, dir := range []string{
		"/usr/local/agent-plugins", "/usr/local/lib/agent", "/var/lib/agent", "/opt/agent", "/srv/agent", "/run/agent",
		"/home/nobody-has-this/plugins", filepath.Join(home, "plugins"), t.TempDir(), "/tmp/agent",
	} {
		require.NoError(t, safedir.Check(dir), dir)
	}
}

func TestARefusalSaysWhatIsThere(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink("/etc", link))
	for dir, want := range map[string]string{
		"/":              "/ contains /home, which is not only the agent's; name a directory of the agent's own",
		"/opt":           "/opt is not only the agent's; name a directory of the agent's own",
		"/usr/local":     "/usr/local contains /usr/local/games, which is not only the agent's; name a directory of the agent's own",
		"/etc":           "/etc belongs to the system; name a directory of the agent's own",
		"/etc/ssh":       "/etc/ssh is in /etc, which belongs to the system; name a directory of the agent's own",
		"/home/coresave": "/home/coresave is directly in /home, where users have their homes; name a directory of the agent's own",
		link + "/ssh":    link + "/ssh leads to /etc/ssh: /etc/ssh is in /etc, which belongs to the system; name a directory of the agent's own",
	} {
		require.EqualError(t, safedir.Check(dir), want)
	}
}

func TestDataIsNotKeptWhereAPluginWouldBe(t *testing.T) {
	plugins := filepath.Join(t.TempDir(), "plugins")
	for data, want := range map[string]string{
		plugins:                      "holds the plugins",
		filepath.Dir(plugins):        "holds the plugins",
		plugins + "/ns":              "where the plugins of a namespace ns would be",
		plugins + "/ns/project/data": "where the plugins of a namespace ns would be",
		plugins + "/.agent-clones/x": "where plugins are cloned",
	} {
		require.ErrorContains(t, safedir.CheckData(plugins, data), want)
	}
	for _, data := range []string{plugins + "/.agent", plugins + "/.other/data", plugins + "-data", "/var/lib/agent"} {
		require.NoError(t, safedir.CheckData(plugins, data), data)
	}
}
