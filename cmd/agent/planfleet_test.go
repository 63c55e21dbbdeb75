package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exampleFleet is the example, which is good.
const exampleFleet = "../../examples/fleet"

// otherFleet returns a copy of the example in which a text of one file is another one.
func otherFleet(t *testing.T, file, old, text string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(exampleFleet)))
	name := filepath.Join(dir, "namespaces", file)
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(content), old)
	require.NoError(t, os.WriteFile(name, []byte(strings.Replace(string(content), old, text, 1)), 0o600))
	return dir
}

func TestAFleetsPlanSaysWhatEachHostCollects(t *testing.T) {
	done := execute(t, "plan", "--fleet", exampleFleet, "--host", "web-9", "--host", "db-1")
	require.Zero(t, done.code, done.stderr)
	require.Equal(t, `web-9:
  namespace all.example
  interval all.example FS: 5m0s
  process all.example PROC.sshd: path /usr/sbin/sshd
db-1:
  namespace all.example
  interval all.example FS: 5m0s
  process all.example PROC.sshd: path /usr/sbin/sshd
  namespace db.shop.example
  plugin db.shop.example ops/mysql: name PLUGIN.mysql, version v1.4.0, interval 1m0s, args ["-servers" "127.0.0.1:3306"]
`, done.stdout)
}

func TestAFleetsPlanSaysOnHowManyHostsSomethingChanges(t *testing.T) {
	old := otherFleet(t, "web.toml", "10s", "30s")
	done := execute(t, "plan", "--fleet", exampleFleet, "--from", old, "--host", "web-1", "--host", "db-1")
	require.Equal(t, 2, done.code, done.stderr)
	require.Equal(t, "web-1:\n  ~ interval web.shop.example CPU: 30s -> 10s\ndb-1: nothing changes (5 unchanged)\nSomething changes on 1 of 2 hosts.\n", done.stdout)

	done = execute(t, "plan", "--fleet", exampleFleet, "--from", exampleFleet)
	require.Zero(t, done.code, done.stderr)
	require.Equal(t, "All namespaces: nothing changes (9 unchanged)\n", done.stdout)

	done = execute(t, "plan", "--fleet", exampleFleet, "--from", old, "--json")
	require.Equal(t, 2, done.code)
	var plan struct {
		Changed int
		Hosts   []struct{ Changes []struct{ Action string } }
	}
	require.NoError(t, json.Unmarshal([]byte(done.stdout), &plan))
	require.Equal(t, 1, plan.Changed)
	require.Equal(t, "modify", plan.Hosts[0].Changes[0].Action)
}

func TestAFleetsPlanNamesEachFault(t *testing.T) {
	for name, tree := range map[string]string{
		"namespaces/web.toml:3: host: no such key":            otherFleet(t, "web.toml", "hosts", "host"),
		`namespaces/db.toml:2: hosts: "db-[" is not a patter`: otherFleet(t, "db.toml", "db-[0-9]*", "db-["),
		"is no fleet repository":                              t.TempDir(),
	} {
		done := execute(t, "plan", "--fleet", tree)
		require.Equal(t, 1, done.code)
		require.Empty(t, done.stdout)
		require.Contains(t, done.stderr, name)
	}
	done := execute(t, "plan", "--host", "web-1")
	require.Equal(t, 2, done.code)
	require.Contains(t, done.stderr, "--from and --host need --fleet")
}

func TestAFleetsPlanNamesWhatIsNoFile(t *testing.T) {
	dir := otherFleet(t, "web.toml", "10s", "30s")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "namespaces", "eu"), 0o755))
	done := execute(t, "plan", "--fleet", dir)
	require.Equal(t, 1, done.code)
	require.Contains(t, done.stderr, "namespaces/eu is a directory, which is not read; write files into namespaces itself")
}
