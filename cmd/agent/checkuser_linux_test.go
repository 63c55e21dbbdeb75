package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const nobody = 65534

// The config is refused for a user who may not see or use its files: an agent that this
// user starts would fail.
func TestCheckSaysWhatItsUserCannotCheck(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a command as another user")
	}
	content, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	program := filepath.Join(openDir(t), "agent")
	require.NoError(t, os.WriteFile(program, content, 0o755))

	for name, c := range map[string]struct {
		ofRoot string // the directory that is root's
		mode   os.FileMode
		below  string // the agent's directories, below existing ones
		want   string // DIR stands for the directory of the test; empty: the config is good
	}{
		"all its own":               {"", 0, "", ""},
		"root's plugins":            {"plugins", 0o755, "", "agent.pluginsdir: the user nobody may not write into DIR/plugins:"},
		"plugins to be made":        {"plugins", 0o755, "/a/b", "agent.pluginsdir: the user nobody may not write into DIR/plugins:"},
		"plugins out of sight":      {"plugins", 0o700, "/a", "agent.pluginsdir: DIR/plugins/a cannot be checked as the user nobody:"},
		"the log out of sight":      {"log", 0o700, "/a", "log.logdir: DIR/log/a cannot be checked as the user nobody:"},
		"the pid file of root":      {"run", 0o755, "", "agent.pidfile: the user nobody may not write into DIR/run:"},
		"the pid file out of sight": {"run", 0o700, "", "agent.pidfile: DIR/run/agent.pid cannot be checked as the user nobody:"},
		"a token out of sight":      {"secrets", 0o700, "", "api.tokenfile: DIR/secrets/token cannot be checked as the user nobody:"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := openDir(t)
			write := func(name, content string) string {
				path := filepath.Join(dir, name)
				require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
				require.NoError(t, os.Chown(path, nobody, nobody))
				return path
			}
			for _, made := range []string{"plugins", "log", "run", "secrets"} {
				require.NoError(t, os.Mkdir(filepath.Join(dir, made), 0o755))
				require.NoError(t, os.Chown(filepath.Join(dir, made), nobody, nobody))
			}
			write("secrets/token", "secret")
			write("registry.toml", "[[namespace]]\nname = \"web\"\n")
			config := write("agent.conf", fmt.Sprintf(`
agent.registryaddr = "file://%[1]s/registry.toml"
agent.pluginsdir = "%[1]s/plugins%[2]s"
agent.pidfile = "%[1]s/run/agent.pid"
api.tokenfile = "%[1]s/secrets/token"
output.name = "stdout"
log.logdir = "%[1]s/log%[2]s"
`, dir, c.below))
			if c.ofRoot != "" {
				require.NoError(t, os.Chown(filepath.Join(dir, c.ofRoot), 0, 0))
				require.NoError(t, os.Chmod(filepath.Join(dir, c.ofRoot), c.mode))
			}

			check := agentCommand(t, "check", "-f", config)
			check.Path, check.Dir = program, dir
			check.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			output, err := check.CombinedOutput()
			if c.want == "" {
				require.NoError(t, err, "%s", output)
				require.Equal(t, config+" is good\n", string(output))
				return
			}
			require.Error(t, err)
			require.NotContains(t, string(output), "is good")
			require.Contains(t, string(output), strings.ReplaceAll(c.want, "DIR", dir)+" do this as root or as the agent's user")
		})
	}
}

// openDir returns a directory that every user may enter.
func openDir(t *testing.T) string {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(path, 0o755))
	}
	return dir
}
