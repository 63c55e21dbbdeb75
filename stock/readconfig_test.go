package stock_test

import (
	"flag"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/stock"
)

var update = flag.Bool("update", false, "write the golden files anew")

// readConfig reads content as a config file.
func readConfig(t *testing.T, content string) (stock.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.conf")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	c, err := stock.ReadConfig(path)
	for i, warning := range c.Warnings {
		c.Warnings[i] = strings.TrimPrefix(warning, filepath.Dir(path)+"/")
	}
	return c, err
}

func TestEachWrongConfigNamesAllFaultsWithTheirLines(t *testing.T) {
	paths, err := filepath.Glob("testdata/wrong/*.toml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := stock.ReadConfig(path)
			require.Error(t, err)
			require.IsType(t, (*configfile.Error)(nil), err)
			got := strings.ReplaceAll(err.Error(), "testdata/wrong/", "") + "\n"
			golden := strings.TrimSuffix(path, ".toml") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

func TestTheFirstREADMEsExampleLoadsAsWritten(t *testing.T) {
	content, err := os.ReadFile("testdata/seed.toml")
	require.NoError(t, err)
	me, err := user.Current()
	require.NoError(t, err)
	c, err := readConfig(t, strings.Replace(string(content), `"user"`, `"`+me.Username+`"`, 1))
	require.NoError(t, err)

	want := stock.DefaultConfig()
	want.Agent.Listen = "0.0.0.0:1232"
	want.Agent.IfacePrefix = []string{"eth"}
	want.Agent.RegistryAddr = []string{"https://registry.test.com"}
	want.Agent.PluginsUser = me.Username
	want.Agent.Git = "git://git@git.test.com/orgname/%s.git"
	want.Output.Servers = []string{"0.0.0.0:7777"}
	want.Warnings = []string{
		"agent.conf:13: agent.git: git:// and http:// are not encrypted: whoever can change the traffic decides which plugins this host runs; use https:// or ssh://",
		"agent.conf:13: agent.git: plugins need no signature: whoever can write to a plugin's repository decides what this host runs; name an allowed_signers file in policy.signers",
	}
	want.Log = stock.LogConfig{LogDir: "/tmp/agent/log", Level: slog.LevelDebug, LogRotateNum: 5, LogRotateSize: 1887436800}
	c.Warnings = slices.DeleteFunc(c.Warnings, func(w string) bool { return strings.Contains(w, "git runs as root") }) // depends on the host
	require.Equal(t, want, c)
}

func TestThePluginsUserMustExist(t *testing.T) {
	_, err := stock.ReadConfig("testdata/seed.toml")
	require.EqualError(t, err, `testdata/seed.toml:11: agent.pluginsuser: there is no user "user" on this system;`+
		` make it (useradd --system user) or name another`)
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	c, err := readConfig(t, `
[agent]
registryaddr = "file:///etc/agent-registry.toml"
[output]
servers = [ "127.0.0.1:4150" ]
`)
	require.NoError(t, err)
	want := stock.DefaultConfig()
	want.Agent.RegistryAddr = []string{"file:///etc/agent-registry.toml"}
	want.Output.Servers = []string{"127.0.0.1:4150"}
	require.Equal(t, want, c)
	require.Equal(t, "/usr/local/agent-plugins/.agent", c.DataDir())
}

func TestSizesAndTimesMayHaveUnits(t *testing.T) {
	c, err := readConfig(t, `
[agent]
registryaddr = "http://registry"
updateinterval = 90
[output]
name = "stdout"
spoolsize = "1.5 GiB"
spoolage = "36h"
[log]
logrotatesize = "10MB"
loglevel = "warning"
`)
	require.NoError(t, err)
	require.Equal(t, 90*time.Second, c.Agent.UpdateInterval)
	require.EqualValues(t, 3<<29, c.Output.SpoolSize)
	require.Equal(t, 36*time.Hour, c.Output.SpoolAge)
	require.EqualValues(t, 10_000_000, c.Log.LogRotateSize)
	require.Equal(t, slog.LevelWarn, c.Log.Level)
}

func TestSectionsMayBeInlineTablesAndDottedKeys(t *testing.T) {
	_, err := readConfig(t, `agent = { registryaddr = "http://registry", lissen = ":1" }
output.name = "stdout"
output.format = "xml"
`)
	require.ErrorContains(t, err, "agent.conf:1: agent.lissen: no such key; is agent.listen meant?\n")
	require.ErrorContains(t, err, `agent.conf:3: output.format: "xml" is not a format`)
}

func TestSectionsOfOlderConfigsAreSkippedWithAWarning(t *testing.T) {
	c, err := readConfig(t, `
[agent]
registryaddr = "https://registry"
[output]
name = "stdout"
[trace]
enable = true
[trace.sampler]
rate = "yes"
[member]
`)
	require.NoError(t, err)
	require.Equal(t, []string{
		"agent.conf:6: the section trace is ignored: this agent does not use it",
		"agent.conf:10: the section member is ignored: this agent does not use it",
	}, c.Warnings)
}

func TestAConfigThatIsNotThereIsNamed(t *testing.T) {
	_, err := stock.ReadConfig("/nonexistent/agent.conf")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "/nonexistent/agent.conf")
}

func TestKindsAreSwitchedOffInTheConfig(t *testing.T) {
	kinds := func(more string) (names []string) {
		c, err := readConfig(t, `
agent.registryaddr = "file:///etc/agent-registry.toml"
output.servers = [ "127.0.0.1:4150" ]
`+more)
		require.NoError(t, err)
		for _, kind := range stock.HostKinds(c.HostConfig()) {
			names = append(names, kind.Name)
		}
		return names
	}
	all := kinds("")
	require.Contains(t, all, "TIME")
	require.Equal(t, without(all, "TIME"), kinds(`collect.disable = [ "TIME" ]`))
	require.Equal(t, all, kinds(`time.servers = []`), "the kernel knows its clock without a server")
	require.Equal(t, all, kinds(`collect.disable = []`))
}

func without(all []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(names, name) })
}

func TestOnlyNTPServersThatWereChosenMustAnswer(t *testing.T) {
	c, err := readConfig(t, "time.servers = [ \"ntp.example.com\" ]")
	require.Error(t, err) // what is required is missing
	require.Equal(t, []string{"ntp.example.com"}, c.HostConfig().NTPServers)
	require.Empty(t, stock.DefaultConfig().HostConfig().NTPServers)
	require.False(t, stock.DefaultConfig().HostConfig().NoNTP)
	c, err = readConfig(t, "time.servers = []")
	require.Error(t, err)
	require.True(t, c.HostConfig().NoNTP)
}

func TestAddressesThatAnybodyOnTheWayCanAnswerAreWarnedOf(t *testing.T) {
	for address, warned := range map[string]bool{
		"http://registry":        true,
		"https://registry":       false,
		"http://127.0.0.1:8080":  false,
		"http://localhost":       false,
		"http://[::1]:8080":      false,
		"file:///etc/agent.toml": false,
	} {
		c, err := readConfig(t, "agent.registryaddr = \""+address+"\"\noutput.name = \"stdout\"\n")
		require.NoError(t, err)
		require.Equal(t, warned, len(c.Warnings) == 1, address)
	}
	for git, warned := range map[string]bool{
		"git://git.example.com/%s.git":   true,
		"http://git.example.com/%s.git":  true,
		"https://git.example.com/%s.git": false,
		"git@git.example.com:%s.git":     false,
		"http://127.0.0.1/%s.git":        false,
	} {
		c, err := readConfig(t, "agent.registryaddr = \"https://r\"\noutput.name = \"stdout\"\nagent.git = \""+git+"\"\nagent.gituser = \"root\"\n")
		require.NoError(t, err)
		require.Equal(t, warned, strings.Contains(strings.Join(c.Warnings, "\n"), "are not encrypted"), git)
	}
}

func TestGitAsRootIsWarnedOfUnlessTheConfigSaysSo(t *testing.T) {
	warnings := func(line string) string {
		c, err := readConfig(t, "agent.registryaddr = \"https://r\"\noutput.name = \"stdout\"\nagent.git = \"git@git.example.com:%s.git\"\n"+line)
		require.NoError(t, err)
		return strings.Join(c.Warnings, "\n")
	}
	require.NotContains(t, warnings("agent.gituser = \"root\"\n"), "git runs as root")
	if os.Geteuid() == 0 {
		require.Contains(t, warnings(""), "agent.conf:3: agent.git: git runs as root: create a user for it (useradd --system --create-home agent-git)")
	}
}

func TestTheHostIsMeasuredBelowCollectRoot(t *testing.T) {
	c, err := readConfig(t, "agent.registryaddr = \"https://r\"\noutput.name = \"stdout\"\ncollect.root = \"/host\"\n")
	require.NoError(t, err)
	require.Equal(t, "/host", c.HostConfig().Root)
}
