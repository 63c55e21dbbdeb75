package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// dir returns a directory whose plugin.toml has that content.
func dir(t *testing.T, content string) string {
	d := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(d, manifest.Name), []byte(content), 0o644))
	return d
}

func TestWhatAPluginSaysOfItselfIsRead(t *testing.T) {
	m, err := manifest.Read(dir(t, "format = \"nagios\"\ntimeout = \"5s\"\nmemory = \"64 MiB\"\npids = 16\n"))
	require.NoError(t, err)
	require.Equal(t, manifest.Manifest{Format: pluginoutput.Nagios, Timeout: 5 * time.Second, Memory: 64 << 20, Pids: 16}, m)
}

func TestADaemonMayWantANewlineAtEachInterval(t *testing.T) {
	m, err := manifest.Read(dir(t, "mode = \"daemon\"\nsignal = \"stdin\""))
	require.NoError(t, err)
	require.Equal(t, manifest.Manifest{Mode: manifest.Daemon, Signal: manifest.Stdin}, m)
}

func TestAPluginNeedNotSayAnything(t *testing.T) {
	for _, d := range []string{t.TempDir(), dir(t, ""), dir(t, "# nothing\n")} {
		m, err := manifest.Read(d)
		require.NoError(t, err)
		require.Zero(t, m)
	}
}

func TestEachFaultIsNamedWithItsLine(t *testing.T) {
	for content, want := range map[string]string{
		"format = \"xml\"":                       `plugin.toml:1: format: there is no format "xml": there are json, influx, prometheus, nagios`,
		"\nfromat = \"json\"":                    `plugin.toml:2: fromat`,
		"memory = \"1 KiB\"":                     `plugin.toml:1: memory`,
		"mode = \"x\"":                           `plugin.toml:1: mode: there is no mode "x": there are run and daemon`,
		"format = \"nagios\"\nmode = \"daemon\"": `plugin.toml:2: mode: a Nagios check ends with its result`,
		"mode = \"daemon\"\ntimeout = \"5s\"":    `plugin.toml:2: timeout: a daemon has none`,
		"mode = \"daemon\"\nsignal = \"USR1\"":   `plugin.toml:2: signal: there is no signal "USR1": there is stdin`,
		"signal = \"stdin\"":                     `plugin.toml:1: signal: only a daemon has one: set mode = "daemon", too`,
		"pids = 0":                               `plugin.toml:1: pids`,
		"timeout = \"1ms\"":                      `plugin.toml:1: timeout`,
		"pids = 1\ntimeout = \"x\"":              `plugin.toml:2: timeout`,
		"format":                                 `plugin.toml:1: not TOML`,
		strings.Repeat("#\n", 40000):             `larger than 64 KiB`,
	} {
		_, err := manifest.Read(dir(t, content))
		require.ErrorContains(t, err, want)
	}
}

func TestALinkThatLeadsOutOfThePluginIsNotRead(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("password of the root"), 0o600))
	d := t.TempDir()
	require.NoError(t, os.Symlink(secret, filepath.Join(d, manifest.Name)))
	_, err := manifest.Read(d)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "password")

	inside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(inside, "other.toml"), []byte(`format = "influx"`), 0o644))
	require.NoError(t, os.Symlink("other.toml", filepath.Join(inside, manifest.Name)))
	m, err := manifest.Read(inside)
	require.NoError(t, err)
	require.Equal(t, pluginoutput.Influx, m.Format)
}

func TestADirectoryIsNoManifest(t *testing.T) {
	d := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(d, manifest.Name), 0o755))
	_, err := manifest.Read(d)
	require.ErrorContains(t, err, "plugin.toml is not a regular file")
}
