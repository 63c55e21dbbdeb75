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
	registry, err := fileregistry.New("file://" + name)
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
	require.ErrorContains(t, err, name)
	require.Empty(t, assignments)
}

func TestFileThatIsWrongIsAnErrorWithItsLine(t *testing.T) {
	const good = "[[namespace]]\nname = 'web'\n"
	for content, says := range map[string]string{
		good + "nmae = 'x'\n":                                       `:3: unknown key "namespace.nmae"`,
		good + "[namespace.interval]\nCPU = 1\n":                    `:3: unknown key "namespace.interval`,
		"x = 1\n" + good:                                            `:1: unknown key "x"`,
		good + "[[namespace.plugin]]\nrepo = 'a/b'\ninterwal = 1\n": `:5: unknown key "namespace.plugin.interwal"`,
		good + "name = 'again'\n":                                   ":3: ",
		good + "[[namespace.port]]\nname = 'x'\nport = '22'\n":      ":5: ",
		good + "[[namespace.port]]\nname = 'x'\nport = 1.5\n":       ":5: ",
		good + "[[namespace.plugin]]\nargs = 'x y'\n":               ":4: ",
		good + "[[namespace.plugin]\n":                              ":3: ",
		"[[namespace]]\nname = 'we\n":                               ":2: ",
		"<html>":                                                    ":1: ",
		"\x00\xff\xfe":                                              ":1: ",
		"namespace = 'web'\n":                                       ":1: ",
		"":                                                          "no [[namespace]] in it",
		"# nothing\n":                                               "no [[namespace]] in it",
		"[[namespace]]\n":                                           "[[namespace]] number 1 has no name",
		good + "[[namespace]]\nname = 'x'\n[[namespace]]\nname = 'web'\n": `[[namespace]] number 3 has the name "web", which an earlier one has`,
	} {
		registry, name := open(t, content)
		assignments, err := registry.Assignments(t.Context(), agent.Host{})
		require.ErrorContains(t, err, name, "%q", content)
		require.ErrorContains(t, err, says, "%q", content)
		require.Empty(t, assignments)
	}
}

func TestAllUnknownKeysAreNamedAtOnce(t *testing.T) {
	registry, _ := open(t, "a = 1\n[[namespace]]\nname = 'web'\nb = 2\n")
	_, err := registry.Assignments(t.Context(), agent.Host{})
	require.ErrorContains(t, err, `:1: unknown key "a"`)
	require.ErrorContains(t, err, `:4: unknown key "namespace.b"`)
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
name = "../x"
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
		`interval of DISK: "soon" is no time`, `interval of FS: "1.5" is no time`, `interval of KERNEL: "true" is no time`,
		"interval of MEM: its interval of 0s", "interval of NET: its interval of 25h0m0s", `interval of TIME: "99999999999999" is no time`,
		`plugin 1, "mysql": `, `plugin 3, "fine": conflict: `, `plugin 4, "b": argument 1`, `plugin 5, "c": its interval "1979-05-27" is no time`,
		`port 1, "x": its port 70000`, `port 3, "": its name`, `port 4, "z": its timeout "[1s]" is no time`,
		`process 1, "x": its executable`,
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
		_, err := fileregistry.New(address)
		require.ErrorContains(t, err, "the registry file's address", address)
	}
	for _, address := range []string{"file:///etc/x", "file://localhost/etc/x", "file:///with%20space"} {
		_, err := fileregistry.New(address)
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
	registry, err := fileregistry.New("file://" + name)
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
