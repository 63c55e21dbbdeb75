package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// foreignScript writes a check for another agent, a shell script.
func foreignScript(t *testing.T, name, script string) string {
	path := filepath.Join(openTempDir(t), name)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	require.NoError(t, os.Chmod(path, 0o755))
	return path
}

func TestAForeignCheckIsTriedAndMadeAPlugin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags  []string
		script string
		args   []string
		metric string
		toml   string
	}{
		"nagios":   {[]string{"--nagios"}, `echo "WARNING|'$1'=2"; exit 1`, []string{"a b"}, "PLUGIN.check_it.state value=1", "format = \"nagios\"\n"},
		"exec":     {[]string{"--telegraf"}, `echo "a,tag=$1 b=1i"`, []string{"it's"}, "PLUGIN.check_it.a.b,tag=it's value=1", "format = \"influx\"\n"},
		"textfile": {[]string{"--textfile"}, `echo "a{b=\"$1\"} 3"`, []string{"x;y"}, "PLUGIN.check_it.a,b=x;y value=3", "format = \"prometheus\"\n"},
		"execd": {[]string{"--telegraf", "--daemon"}, `echo "a value=$#"; exec sleep 100`, nil, "PLUGIN.check_it.a value=0",
			"format = \"influx\"\nmode = \"daemon\"\n"},
		"execd by stdin": {[]string{"--telegraf", "--daemon", "--signal", "stdin"}, `while read x; do echo "a value=1"; done`, nil, "PLUGIN.check_it.a value=1",
			"format = \"influx\"\nmode = \"daemon\"\nsignal = \"stdin\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && len(c.flags) > 1 {
				t.Skip("a daemon runs for seconds")
			}
			command := append([]string{"--", foreignScript(t, "check_it.sh", c.script)}, c.args...)
			r := execute(t, append(append([]string{"plugin", "test", "--format", "json"}, c.flags...), command...)...)
			require.Equal(t, 0, r.code, r.stdout+r.stderr)
			var report pluginReport
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &report))
			require.True(t, report.Good)
			require.Equal(t, c.toml, report.Files["plugin.toml"])

			dir := filepath.Join(openTempDir(t), "check_it")
			require.NoError(t, os.Mkdir(dir, 0o755))
			for name, content := range report.Files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755))
			}
			r = execute(t, "plugin", "test", dir)
			require.Equal(t, 0, r.code, "the files that it prints make a plugin: %s", r.stdout)
			require.Contains(t, r.stdout, c.metric+"\n")
		})
	}
}

func TestAForeignCheckIsJudgedAsEveryPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	for name, c := range map[string]struct {
		flags  []string
		script string
		want   string
	}{
		"exit 4":             {[]string{"--nagios"}, "echo OK; exit 4", "BAD it exits with 0 to 3 within 59.5s\n      the plugin exited with status 4"},
		"unknown":            {[]string{"--nagios"}, "echo usage: check; exit 3", "BAD the check knows the state: it is not UNKNOWN\n      it exits with 3, and says \"usage: check\""},
		"a signal":           {[]string{"--nagios"}, "kill -9 $$", `the signal "killed"`},
		"a decimal comma":    {[]string{"--nagios"}, "echo 'OK|a=1,5'", `metric 1 ("a"): the value "1,5" is not a number`},
		"no performance":     {[]string{"--nagios"}, "echo OK", "PLUGIN.check.state value=0"},
		"no line protocol":   {[]string{"--telegraf"}, "echo '{}'", "BAD each metric of it can be sent"},
		"a daemon that ends": {[]string{"--textfile", "--daemon"}, "echo 'a 1'", "BAD it is a daemon and runs for 3s\n      the daemon exited with status 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := execute(t, append(append([]string{"plugin", "test"}, c.flags...), "--", foreignScript(t, "check", c.script))...)
			require.Contains(t, r.stdout, c.want)
			require.Contains(t, r.stdout, "\nplugin:\n  #!/bin/sh\n  exec /")
		})
	}
}

func TestAForeignCheckIsNamedBehindTwoDashes(t *testing.T) {
	for want, args := range map[string][]string{
		"write -- and the command after --nagios":                 {"--nagios"},
		"--nagios runs the command after --":                      {"--nagios", ".", "--", "true"},
		"--nagios and --telegraf: name one of them":               {"--telegraf", "--nagios", "--", "true"},
		"there is no program check_none":                          {"--nagios", "--", "check_none"},
		"--daemon: a Nagios check ends":                           {"--nagios", "--daemon", "--", "true"},
		"--signal stdin: the only signal is stdin, with --daemon": {"--telegraf", "--signal", "stdin", "--", "true"},
		"--daemon and --signal are for --telegraf and":            {"--daemon", "."},
		"or a check with --nagios, --telegraf, --textfile and":    {},
	} {
		r := execute(t, append([]string{"plugin", "test"}, args...)...)
		require.Equal(t, 2, r.code, args)
		require.Contains(t, r.stderr, want)
	}
}

func TestJUnitXMLIsForCIServers(t *testing.T) {
	r := execute(t, "plugin", "test", "--format", "junit", pluginDir(t, `printf '\033 oops' >&2; echo '[{"name":"a b","value":1}]'`))
	require.Equal(t, 1, r.code)
	var suite junitSuite
	require.NoError(t, xml.Unmarshal([]byte(r.stdout), &suite))
	require.Equal(t, []int{9, 1, 0}, []int{suite.Tests, suite.Failures, suite.Skipped})
	require.Equal(t, "each metric of it can be sent", suite.Cases[4].Name)
	require.Contains(t, suite.Cases[4].Failure.Message, `metric 0 ("a b"): a name has only`)
	require.Nil(t, suite.Cases[3].Failure)
	require.Contains(t, suite.Errors, "oops")

	r = execute(t, "plugin", "test", "--format", "junit", t.TempDir())
	require.NoError(t, xml.Unmarshal([]byte(r.stdout), &suite))
	require.Positive(t, suite.Skipped)
}
