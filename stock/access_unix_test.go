//go:build unix

package stock_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/stock"
)

func TestWhatOthersCanChangeIsRefusedByItsKey(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string) error
		want  string // DIR stands for the directory of the test
	}{
		"the config": {
			func(_ *testing.T, dir string) error { return os.Chmod(dir+"/agent.conf", 0o666) },
			"DIR/agent.conf:1: DIR/agent.conf is writable by others than its owner (mode 0666); run chmod go-w DIR/agent.conf",
		},
		"the plugins": {
			func(_ *testing.T, dir string) error { return mkdir(dir+"/plugins", 0o777) },
			"agent.pluginsdir: DIR/plugins is writable by others than its owner (mode 0777); run chmod go-w DIR/plugins, or name another directory",
		},
		"the data": {
			func(_ *testing.T, dir string) error { return mkdir(dir+"/data", 0o770) },
			"agent.datadir: DIR/data is writable by others",
		},
		"above the log": {
			func(_ *testing.T, dir string) error { return mkdir(dir+"/log", 0o777) },
			"log.logdir: DIR/log/agent is in DIR/log, where every user may replace it",
		},
		"a link in the log's place": {
			func(_ *testing.T, dir string) error {
				if err := os.MkdirAll(dir+"/log/agent", 0o755); err != nil {
					return err
				}
				return os.Symlink("/etc/passwd", dir+"/log/agent/agent.log")
			},
			"log.logdir: DIR/log/agent/agent.log is a symbolic link; remove it, or name another path",
		},
		"a pipe in the log's place": {
			func(_ *testing.T, dir string) error {
				if err := os.MkdirAll(dir+"/log/agent", 0o755); err != nil {
					return err
				}
				return syscall.Mkfifo(dir+"/log/agent/agent.log", 0o600)
			},
			"log.logdir: DIR/log/agent/agent.log is a named pipe",
		},
		"the token": {
			func(_ *testing.T, dir string) error { return os.Chmod(dir+"/token", 0o644) },
			"api.tokenfile: DIR/token is a secret that every user may read (mode 0644); run chmod o-r DIR/token",
		},
		"another's directory": {
			func(t *testing.T, dir string) error {
				if os.Geteuid() != 0 {
					t.Skip("only root can give directories away")
				}
				if err := os.MkdirAll(dir+"/log/agent", 0o755); err != nil {
					return err
				}
				return os.Chown(dir+"/log", 12345, 12345)
			},
			"DIR/log belongs to 12345, and the agent runs as root; run chown root DIR/log, or name another path, or do this as 12345 if the agent is to run as 12345",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "agent.conf")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte("secret"), 0o600))
			require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
agent.registryaddr = "file://%[1]s/registry.toml"
agent.pluginsdir = "%[1]s/plugins"
agent.datadir = "%[1]s/data"
agent.pidfile = "%[1]s/agent.pid"
api.tokenfile = "%[1]s/token"
output.name = "stdout"
log.logdir = "%[1]s/log/agent"
`, dir), 0o600))
			_, err := stock.ReadConfig(path)
			require.NoError(t, err)
			require.NoError(t, c.spoil(t, dir))
			_, err = stock.ReadConfig(path)
			require.ErrorContains(t, err, expand(c.want, dir))
			_, err = stock.NewService(path)
			require.ErrorContains(t, err, expand(c.want, dir))
			_, err = stock.ReadConfigValues(path)
			require.NoError(t, err, "who only asks need not own it")
		})
	}
}

func mkdir(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, mode) // whatever the umask is
}

func expand(text, dir string) string { return strings.ReplaceAll(text, "DIR", dir) }
