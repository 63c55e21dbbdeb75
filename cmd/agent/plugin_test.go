package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// pluginDir makes the directory of a plugin that is a shell script.
func pluginDir(t *testing.T, script string) string {
	t.Helper()
	temp := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(temp), 0o755)) // for the plugins' user
	dir := filepath.Join(temp, "demo")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugin"), []byte("#!/bin/sh\n"+script), 0o755))
	require.NoError(t, os.Chmod(filepath.Join(dir, "plugin"), 0o755))
	return dir
}

func TestAGoodPluginPasses(t *testing.T) {
	dir := pluginDir(t, `echo '[{"name":"queue.length","value":3,"tags":{"queue":"'"$1"'"}}]'`)
	r := execute(t, "plugin", "test", dir, "--", "mails")
	require.Equal(t, 0, r.code, r.stdout+r.stderr)
	require.NotContains(t, r.stdout, "BAD")
	require.Contains(t, r.stdout, "Metrics that are sent, with the tag host: 1\n  PLUGIN.demo.queue.length,queue=mails value=3\n")
	require.Empty(t, r.stderr)
}

func TestWhatIsBadAboutAPluginIsSaid(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, c := range map[string]struct {
		script string
		args   []string
		want   []string
	}{
		"exit":      {"echo '[]'; echo oops >&2; exit 3", nil, []string{"BAD it exits with 0", "exited with status 3", "none of its output is sent", "  oops"}},
		"no JSON":   {"echo hello", nil, []string{"BAD it prints a JSON list", "or [] if there is nothing"}},
		"nothing":   {"true", nil, []string{"BAD it prints a JSON list", "it printed nothing; print ["}},
		"object":    {`echo '{"name":"a","value":1}'`, nil, []string{"the object is not a list; print ["}},
		"syntax":    {`echo '[{"name":"a","value":ONE}]'`, nil, []string{`at byte 22: … [{"name":"a","value":ONE}] …`}},
		"NaN":       {`echo '[{"name":"a","value":NaN}]'`, nil, []string{"BAD each metric", `metric 0 ("a"): the value is not a finite number`}},
		"number":    {"echo '[1]'", nil, []string{"a number is not a metric: write {"}},
		"fraction":  {`echo '[{"name":"a","value":1,"timestamp":1.5}]'`, nil, []string{"the timestamp is a number 1.5: write whole seconds"}},
		"tag":       {`echo '[{"name":"a","value":1,"tags":{"port":80}}]'`, nil, []string{"in the tags there is a number"}},
		"quotes":    {`echo '[{"name":"a","value":"3"}]'`, nil, []string{"BAD the values of a name", `the value "3" is text; write numbers without quotes`}},
		"types":     {`echo '[{"name":"a","value":3},{"name":"a","value":true,"tags":{"x":"y"}}]'`, nil, []string{"a value is a number, another is true or false"}},
		"time tag":  {`echo '[{"name":"a","value":1,"tags":{"at":"'$(date +%s)'"}}]'`, nil, []string{"BAD tags are the same", "a: the tag at is the time"}},
		"too much":  {"exec yes", nil, []string{"BAD it prints a JSON list", "-   it exits with 0", "more than 8 MiB"}},
		"null":      {"echo null", nil, []string{"null is not a list"}},
		"name":      {`echo '[{"name":"a b","value":1}]'`, nil, []string{"BAD each metric", `metric 0 ("a b"): a name has only`}},
		"value":     {`echo '[{"name":"a","value":[1]}]'`, nil, []string{"BAD each metric", `metric 0 ("a")`}},
		"twice":     {`echo '[{"name":"a","value":1},{"name":"a","value":2}]'`, nil, []string{"a occurs twice"}},
		"ms":        {`echo '[{"name":"a","value":1,"timestamp":1700000000000}]'`, nil, []string{"a: 1700000000000 is not a time in seconds"}},
		"old":       {`echo '[{"name":"a","value":1,"timestamp":1500000000}]'`, nil, []string{"a: 2017-07-14T02:40:00Z is far from now"}},
		"tags":      {`echo '[{"name":"a","value":1,"tags":{"pid":"'$$'"}}]'`, nil, []string{"a: every value of the tag pid is new"}},
		"leftover":  {"sleep 60 >/dev/null 2>&1 & echo '[]'", nil, []string{"BAD it leaves no processes behind", "1 left when it exited"}},
		"slow":      {"sleep 60", []string{"--interval", "1s"}, []string{"BAD it exits with 0 within 500ms", "timed out", "here with --interval"}},
		"arguments": {"echo '[]'", []string{"--", "a;b"}, []string{"BAD plugin is there", `"a;b", contains ;`}},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, append([]string{"plugin", "test", pluginDir(t, c.script)}, c.args...)...)
			require.Equal(t, 1, r.code, r.stdout)
			for _, want := range c.want {
				require.Contains(t, r.stdout, want)
			}
			require.Equal(t, "agent plugin test: the plugin needs work\n", r.stderr)
		})
	}
}

func TestADirectoryWithoutAPluginFails(t *testing.T) {
	r := execute(t, "plugin", "test", t.TempDir())
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "BAD plugin is there and can be started\n")
	require.Contains(t, r.stdout, "-   it prints a JSON list\n")
	require.Contains(t, r.stdout, "it was not run")
}

func TestLinesThatEndAsOnWindowsAreNamed(t *testing.T) {
	dir := pluginDir(t, "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugin"), []byte("#!/bin/sh\r\necho '[]'\r\n"), 0o755))
	r := execute(t, "plugin", "test", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "its lines end as on Windows")
}

func TestADirectoryClosedToThePluginsUserIsToBeCopied(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("plugins run as the user of the tests")
	}
	dir := pluginDir(t, "echo '[]'")
	require.NoError(t, os.Chmod(dir, 0o700))
	r := execute(t, "plugin", "test", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, dir+", run as nobody\n")
	require.Contains(t, r.stdout, "try a copy where nobody may read it: cp -R "+dir+" /tmp")
}

func TestTAPIsForMachines(t *testing.T) {
	r := execute(t, "plugin", "test", "--format", "tap", pluginDir(t, `echo '[{"name":"a b","value":1}]'`))
	require.Equal(t, 1, r.code)
	lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
	require.Equal(t, []string{
		"TAP version 13",
		"1..9",
		"ok 1 - plugin is there and can be started",
		"ok 2 - it exits with 0 within 59.5s",
		"ok 3 - it leaves no processes behind",
		"ok 4 - it prints a JSON list",
		"not ok 5 - each metric of it can be sent",
		`# metric 0 ("a b"): a name has only the characters 0-9 A-Z a-z . _ -`,
		"ok 6 - the values of a name are of one type",
		"ok 7 - each metric has a name and tags of its own",
		"ok 8 - timestamps are Unix seconds of now, or 0",
		"ok 9 - tags are the same from run to run",
	}, lines[:12])
	require.Regexp(t, `^# as the repository test/demo \(--repo\): in a sandbox .* 1024 MiB of state`, lines[12])
	require.Regexp(t, `^# a run took .* bytes to stdout`, lines[len(lines)-1])
}

// ownFile writes a file that only its owner may read.
func ownFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestPluginIsTriedAsTheRuleForItsRepositorySays(t *testing.T) {
	env := ownFile(t, "PASSWORD=s3cret\n")
	config := ownFile(t, "[agent]\nregistryaddr = \"file:///etc/r.toml\"\n[output]\nname = \"stdout\"\n[policy]\nplugins = [\"dba/*\"]\n"+
		"[[policy.plugin]]\nmatch = \"dba/mysql\"\nenv = \""+env+"\"\nstate = \"2MiB\"\n")
	dir := pluginDir(t, `echo '[{"name":"password.length","value":'${#PASSWORD}'}]'`)
	for repo, want := range map[string][]string{
		"dba/mysql": {"as the repository dba/mysql (--repo): ", "at most 2 MiB of state", "PLUGIN.mysql.password.length value=6"},
		"dba/redis": {"as the repository dba/redis (--repo): ", "at most 1024 MiB of state", "PLUGIN.redis.password.length value=0"},
	} {
		r := execute(t, "plugin", "test", "-f", config, "--repo", repo, dir)
		require.Equal(t, 0, r.code, r.stdout+r.stderr)
		for _, text := range append(want, "policy.signers apply to repositories, not to a directory") {
			require.Contains(t, r.stdout, text)
		}
		require.NotContains(t, r.stdout, "s3cret")
	}
	require.NoError(t, os.Chmod(env, 0o644))
	r := execute(t, "plugin", "test", "-f", config, "--repo", "dba/mysql", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "BAD plugin is there and can be started\n      the plugin is not started: policy.plugin.env: ")
	r = execute(t, "plugin", "test", "-f", config, "--repo", "../mysql", dir)
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, `--repo "../mysql": it is not ORG/PROJECT`)
}

func TestThePluginCommandIsExplained(t *testing.T) {
	for want, args := range map[string][]string{
		"test        run a plugin":                                       {"plugin"},
		"there is no directory none":                                     {"plugin", "test", "none"},
		"plugin_test.go is not a directory":                              {"plugin", "test", "plugin_test.go"},
		"name the plugin's directory":                                    {"plugin", "test"},
		"write -- before the plugin's arguments":                         {"plugin", "test", ".", "mails"},
		"there are the formats text, json, tap and junit":                {"plugin", "test", "--format", "xml", "."},
		"--interval 5ms: at least 1s":                                    {"plugin", "test", ".", "--interval", "5ms"},
		"there is no flag -verbose; flags with long names begin with --": {"plugin", "test", ".", "-verbose"},
	} {
		r := execute(t, args...)
		require.Equal(t, 2, r.code, args)
		require.Contains(t, r.stderr, want)
		require.Contains(t, r.stderr, "Usage: agent plugin ")
	}
}

func TestATagMayChangeWhereSomeValuesStay(t *testing.T) {
	metric := func(queue string) agent.Metric {
		return agent.Metric{Name: "a", Value: 1, Tags: map[string]string{"queue": queue}}
	}
	require.Empty(t, changingTags([]agent.Metric{metric("x"), metric("y")}, []agent.Metric{metric("y"), metric("z")}))
	require.Empty(t, changingTags([]agent.Metric{metric("x")}, nil))
	require.Len(t, changingTags([]agent.Metric{metric("x")}, []agent.Metric{metric("y")}), 1)
}

func TestOnlySoManyFaultsAreListed(t *testing.T) {
	faults := make([]string, 100)
	require.Len(t, shown(faults), maxShown+1)
	require.Equal(t, "and 80 more", shown(faults)[maxShown])
	require.Len(t, wrongTimes([]agent.Metric{{Name: "a", Timestamp: 5}}, time.Now()), 1)
}
