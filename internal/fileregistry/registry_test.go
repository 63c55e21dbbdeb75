package fileregistry_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/fileregistry"
)

// open returns the registry of a file with this content, and the file's name.
func open(t *testing.T, content string) (*fileregistry.Registry, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "registry file.toml")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	registry, err := fileregistry.New(fileregistry.Config{Address: "file://" + name})
	require.NoError(t, err)
	return registry, name
}

func TestFileOfTheDocumentationLoads(t *testing.T) {
	page, err := os.ReadFile("../../docs/registry-file.md")
	require.NoError(t, err)
	blocks := strings.Split(string(page), "```toml\n")
	require.Len(t, blocks, 3)
	example, _, ok := strings.Cut(blocks[2], "```")
	require.True(t, ok)

	registry, _ := open(t, example)
	assignments, err := registry.Assignments(t.Context(), agent.Host{Hostname: "web-1"})
	require.NoError(t, err)
	require.Equal(t, []agent.Assignment{
		{
			Namespace: "web.shop.example",
			Intervals: map[string]time.Duration{
				"CPU": 10 * time.Second, "FS": 5 * time.Minute, "PORT": 30 * time.Second, "PROC": time.Minute,
			},
			Plugins: []agent.Plugin{
				{
					Namespace: "web.shop.example", Name: "PLUGIN.mysql", Repo: "ops/mysql", Interval: time.Minute,
					Args: []string{"-servers", "127.0.0.1:3306"},
				},
				{Namespace: "web.shop.example", Name: "PLUGIN.backup", Repo: "ops/backup"},
			},
			Ports: []agent.Port{
				{Name: "PORT.sshd", Port: 22, Timeout: 3 * time.Second},
				{Name: "PORT.http", Port: 80, Timeout: time.Second},
			},
			Processes: []agent.Process{{Name: "PROC.nginx", Path: "/usr/sbin/nginx"}},
		},
		{Namespace: "all.example"},
	}, assignments)
}

func TestPortsAndProcessesHaveMoreThanANumberAndAPath(t *testing.T) {
	registry, _ := open(t, `[[namespace]]
name = "web"
[[namespace.port]]
name = "dns"
port = 53
address = "::1"
protocol = "udp"
[[namespace.process]]
name = "kafka"
cmdline = 'kafka\.Kafka'
user = "kafka"
unit = "kafka"
pidfile = "/run/kafka.pid"
containers = true
`)
	assignments, err := registry.Assignments(t.Context(), agent.Host{})
	require.NoError(t, err)
	require.Equal(t, []agent.Port{{Name: "PORT.dns", Port: 53, Timeout: 3 * time.Second, Address: "::1", Protocol: "udp"}}, assignments[0].Ports)
	require.Equal(t, []agent.Process{{Name: "PROC.kafka", Cmdline: `kafka\.Kafka`, User: "kafka", Unit: "kafka", PIDFile: "/run/kafka.pid", Containers: true}}, assignments[0].Processes)
}

func TestFileIsReadAnewEachTime(t *testing.T) {
	registry, name := open(t, "[[namespace]]\nname = 'one'\n")
	assignments, err := registry.Assignments(t.Context(), agent.Host{})
	require.NoError(t, err)
	require.Equal(t, []agent.Assignment{{Namespace: "one"}}, assignments)

	require.NoError(t, os.WriteFile(name, []byte("[[namespace]]\nname = 'two'\n"), 0o600))
	assignments, err = registry.Assignments(t.Context(), agent.Host{})
	require.NoError(t, err)
	require.Equal(t, []agent.Assignment{{Namespace: "two"}}, assignments)

	require.NoError(t, os.Remove(name))
	assignments, err = registry.Assignments(t.Context(), agent.Host{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "there is no registry file: write it, or name another one with agent.registryaddr")
	require.ErrorContains(t, err, name)
	require.Empty(t, assignments)
}

func TestFileThatIsWrongIsAnErrorWithItsLine(t *testing.T) {
	const good = "[[namespace]]\nname = 'web'\n"
	for content, says := range map[string]string{
		good + "nmae = 'x'\n":                                       ":3: namespace.nmae: no such key; is namespace.name meant?",
		good + "[namespace.interval]\nCPU = 1\n":                    ":4: namespace.interval.CPU: no such key; is namespace.intervals meant?",
		"x = 1\n" + good:                                            ":1: x: no such key",
		good + "[[namespace.plugin]]\nrepo = 'a/b'\ninterwal = 1\n": ":5: namespace.plugin.interwal: no such key; is namespace.plugin.interval meant?",
		good + "[[namespace.port]]\nname = 'x'\nport = '22'\n":      `:5: namespace.port.port: "22" is a string; write a whole number`,
		good + "[[namespace.port]]\nname = 'x'\nport = 1.5\n":       ":5: namespace.port.port: 1.5 is a number with a fraction; write a whole number",
		good + "port = [\n{ name = 'x', port = '22' },\n]\n":        `:4: namespace.port.port: "22" is a string`,
		good + "[[namespace.plugin]]\nargs = 'x y'\n":               `:4: namespace.plugin.args: "x y" is a string; write a list of strings`,
		good + "[namespace.plugin]\nrepo = 'a/b'\n":                 ":3: namespace.plugin: this is a single table; write [[namespace.plugin]]",
		good + "intervals = 5\n":                                    ":3: namespace.intervals: 5 is a whole number; write [namespace.intervals]",
		good + "port = [1]\n":                                       ":3: namespace.port: [1] is a list; write [[namespace.port]]",
		good + "name = 'again'\n":                                   ":3: not TOML: ",
		good + "[[namespace.plugin]\n":                              ":3: not TOML: ",
		"[[namespace]]\nname = 'we\n":                               ":2: not TOML: ",
		"<html>":                                                    ":1: not TOML: ",
		"\x00\xff\xfe":                                              ":1: not TOML: ",
		"namespace = 'web'\n":                                       `:1: namespace: "web" is a string; write [[namespace]]`,
		"[namespace]\nname = 'web'\n":                               ":1: namespace: this is a single table; write [[namespace]]",
		"":                                                          ":1: namespace: missing; write [[namespace]] at least once",
		"# nothing\n":                                               ":1: namespace: missing",
		"[[namespace]]\n":                                           ":1: namespace.name: missing; write the namespace's name",
		"[[namespace]]\nname = ''\n":                                ":2: namespace.name: the namespace is empty",
		"[[namespace]]\nname = 'demo shop'\n":                       `:2: namespace.name: namespace "demo shop" contains ' '`,
		good + "[[namespace]]\nname = 'x'\n[[namespace]]\nname = 'web'\n": `:6: namespace.name: "web" is also the name of the namespace at `,
		"[[namespace]]\nname = '" + strings.Repeat("n", 57) + "'\n":       "has 57 characters; NSQ takes at most 56 here",
	} {
		name := filepath.Join(t.TempDir(), "registry.toml")
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		registry, err := fileregistry.New(fileregistry.Config{Address: "file://" + name, TopicPrefix: "collect."})
		require.NoError(t, err)
		assignments, err := registry.Assignments(t.Context(), agent.Host{})
		require.ErrorContains(t, err, name, "%q", content)
		require.ErrorContains(t, err, says, "%q", content)
		require.NotRegexp(t, `int64|\[\]string|struct|fileregistry`, err.Error(), "no Go types")
		require.Empty(t, assignments)
	}
}

func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	registry, name := open(t, "a = 1\n[[namespace]]\nname = 'demo shop'\nb = 2\n")
	_, err := registry.Assignments(t.Context(), agent.Host{})
	require.EqualError(t, err, name+":1: a: no such key\n"+
		name+":3: namespace.name: namespace \"demo shop\" contains ' '; namespaces consist of a-z A-Z 0-9 . _ -\n"+
		name+":4: namespace.b: no such key")
}

func TestByteOrderMarkIsSkipped(t *testing.T) {
	registry, _ := open(t, "\ufeff[[namespace]]\nname = 'web'\n")
	assignments, err := registry.Assignments(t.Context(), agent.Host{})
	require.NoError(t, err)
	require.Equal(t, []agent.Assignment{{Namespace: "web"}}, assignments)
}

func TestItemThatMakesNoSenseIsLeftOutAlone(t *testing.T) {
	registry, _ := open(t, `
[[namespace]]
name = "web"
intervals = { cpu = 20, DISK = "soon", FS = 1.5, KERNEL = true, MEM = "0s", NET = "25h", TIME = 99999999999999 }
port = [{ name = "x", port = 70000 }, { name = "y", port = 1 }, { port = 2 }, { name = "z", port = 3, timeout = ["1s"] }]
process = [{ name = "x", path = "nginx" }]
plugin = [
	{ repo = "mysql" },
	{ repo = "a/fine", interval = 3 },
	{ repo = "b/fine", interval = 60 },
	{ repo = "a/b", args = ["x;y"] },
	{ repo = "a/c", interval = 1979-05-27 },
]
[[namespace]]
name = "..x"
plugin = [{ repo = "a/b" }]
`)
	assignments, err := registry.Assignments(t.Context(), agent.Host{})
	require.NoError(t, err)
	require.Len(t, assignments, 2)
	web := assignments[0]
	require.Equal(t, map[string]time.Duration{"CPU": 20 * time.Second}, web.Intervals)
	require.Equal(t, []agent.Port{{Name: "PORT.y", Port: 1, Timeout: 3 * time.Second}}, web.Ports)
	require.Empty(t, web.Processes)
	require.Equal(t, []agent.Plugin{{Namespace: "web", Name: "PLUGIN.fine", Repo: "a/fine", Interval: 10 * time.Second}}, web.Plugins)
	says := []string{
		`:4: intervals.DISK: "soon" is not a time; write a time with its unit`, `:4: intervals.FS: 1.5 is a number with a fraction; write a time`,
		`:4: intervals.KERNEL: true is a truth value`, ":4: intervals.MEM: its interval of 0s", ":4: intervals.NET: its interval of 25h0m0s",
		":4: intervals.TIME: its interval of ",
		`:8: plugin "mysql": `, `:10: plugin "fine": conflict: `, `:11: plugin "b": argument 1`, `:12: plugin "c": its interval 1979-05-27 is a date`,
		`:5: port "x": its port 70000`, `:5: port "": its name`, `:5: port "z": its timeout [1s] is a list`,
		`:6: process "x": its executable`,
	}
	require.Len(t, web.Problems, len(says))
	for i := range says {
		require.Contains(t, web.Problems[i], says[i])
	}
	require.Empty(t, assignments[1].Plugins)
	require.Len(t, assignments[1].Problems, 1)
}

func TestGiganticFileIsRefused(t *testing.T) {
	registry, name := open(t, "")
	require.NoError(t, os.Truncate(name, 17<<20))
	_, err := registry.Assignments(t.Context(), agent.Host{})
	require.ErrorContains(t, err, "larger than 16 MiB")
}

func TestEndedContextIsAnError(t *testing.T) {
	registry, _ := open(t, "[[namespace]]\nname = 'one'\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := registry.Assignments(ctx, agent.Host{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestNewRefusesAddressesThatAreNoFile(t *testing.T) {
	for _, address := range []string{"", "/etc/x", "file:", "file://", "file:///", "file://host/x", "file:x", "http://h/x", "file:///x?y", "file:///x#y", "file://%"} {
		_, err := fileregistry.New(fileregistry.Config{Address: address})
		require.ErrorContains(t, err, "the registry file's address", address)
	}
	for _, address := range []string{"file:///etc/x", "file://localhost/etc/x", "file:///with%20space"} {
		_, err := fileregistry.New(fileregistry.Config{Address: address})
		require.NoError(t, err, address)
	}
}

func FuzzAssignments(f *testing.F) {
	page, err := os.ReadFile("../../docs/registry-file.md")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(page)
	f.Add([]byte("[[namespace]]\nname='x'\n[namespace.intervals]\nCPU=1\n"))
	name := filepath.Join(f.TempDir(), "registry.toml")
	registry, err := fileregistry.New(fileregistry.Config{Address: "file://" + name})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		require.NoError(t, os.WriteFile(name, content, 0o600))
		assignments, err := registry.Assignments(t.Context(), agent.Host{})
		if err != nil {
			require.ErrorContains(t, err, name)
			return
		}
		require.NotEmpty(t, assignments)
	})
}
