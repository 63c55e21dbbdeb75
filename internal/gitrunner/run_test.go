//go:build linux

package gitrunner_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
)

// slack is what a loaded machine may add to a time.
const slack = 5 * time.Second

// eachSandbox runs a test with and without cgroups.
func eachSandbox(t *testing.T, test func(t *testing.T, r *gitrunner.Runner)) {
	for _, noCgroup := range []bool{false, true} {
		r := newRunner(t, "", func(c *gitrunner.Config) { c.NoCgroup = noCgroup })
		t.Run(r.InspectPlugin(mysql()).Cell, func(t *testing.T) { test(t, r) })
	}
}

// plugin returns a directory with a plugin of that content.
func plugin(t testing.TB, content string) string {
	dir := tempDir(t)
	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugin"), []byte(content), 0o755))
	require.NoError(t, os.Chmod(filepath.Join(dir, "plugin"), 0o755))
	return dir
}

func script(t testing.TB, text string) string { return plugin(t, "#!/bin/sh\n"+text+"\n") }

// runDir runs a plugin for a while.
func runDir(t testing.TB, r *gitrunner.Runner, dir string, limit time.Duration, args ...string) (gitrunner.RunResult, error) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return r.RunDir(ctx, dir, mysql(), args)
}

func TestPluginIsToldTheSystemsNameOfTheHostIfTheConfigHasNone(t *testing.T) {
	r := newRunner(t, "", func(c *gitrunner.Config) { c.Hostname = "" })
	name, err := os.Hostname()
	require.NoError(t, err)
	res, err := runDir(t, r, script(t, `echo "$AGENT_HOSTNAME"`), 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, name+"\n", string(res.Stdout))
}

func TestPluginFindsWhatItWasPromised(t *testing.T) {
	needRoot(t)
	t.Setenv("SECRET", "1")
	defer syscall.Umask(syscall.Umask(0o077))
	eachSandbox(t, func(t *testing.T, r *gitrunner.Runner) {
		dir := script(t, `env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort
id -un; id -Gn; umask; pwd; grep NoNewPrivs /proc/self/status; ls /proc/self/fd; echo "$0 $@"`)
		res, err := runDir(t, r, dir, 5*time.Second, "-servers", "x y")
		require.NoError(t, err)
		require.Equal(t, `AGENT_HOSTNAME=h1
AGENT_INTERVAL=30
AGENT_NAMESPACE=db.example
AGENT_PLUGIN=PLUGIN.mysql
AGENT_STATE_DIR=STATE
HOME=STATE
LANG=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
nobody
nogroup
0022
`+dir+`
NoNewPrivs:	1
0
1
2
3
./plugin -servers x y
`, regexp.MustCompile(`=/\S*/plugins/.agent-state/db.example/mysql`).ReplaceAllString(string(res.Stdout), "=STATE"))
		require.Positive(t, res.CPU)
	})
}

func TestPluginsThatMisbehaveEndWithAReason(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, c := range map[string]struct {
		dir    func(t testing.TB) string
		result agent.RunResult
		want   string
	}{
		"exit":              {func(t testing.TB) string { return script(t, "exit 3") }, agent.RunExit, "exited with status 3"},
		"kills itself":      {func(t testing.TB) string { return script(t, "kill -9 $$") }, agent.RunExit, `the signal "killed"`},
		"endless stdout":    {func(t testing.TB) string { return script(t, "exec yes") }, agent.RunOutput, "more than 8 MiB"},
		"too slow":          {func(t testing.TB) string { return script(t, "exec sleep 100") }, agent.RunTimeout, "timed out"},
		"missing":           {func(t testing.TB) string { return tempDir(t) }, agent.RunStart, "no file named plugin"},
		"no directory":      {func(t testing.TB) string { return tempDir(t) + "/none" }, agent.RunStart, "no file named plugin"},
		"not executable":    {func(t testing.TB) string { d := script(t, ""); os.Chmod(d+"/plugin", 0o644); return d }, agent.RunStart, "not executable"},
		"directory":         {func(t testing.TB) string { d := tempDir(t); os.Mkdir(d+"/plugin", 0o755); return d }, agent.RunStart, "is a directory"},
		"symlink out":       {func(t testing.TB) string { d := tempDir(t); os.Symlink("/bin/true", d+"/plugin"); return d }, agent.RunStart, "leads out of the repository"},
		"wrong interpreter": {func(t testing.TB) string { return plugin(t, "#!/bin/none\n") }, agent.RunStart, "interpreter"},
		"no interpreter":    {func(t testing.TB) string { return plugin(t, "echo hello\n") }, agent.RunStart, "neither a script that begins with #! nor a program"},
		"fifo":              {func(t testing.TB) string { d := tempDir(t); syscall.Mkfifo(d+"/plugin", 0o755); return d }, agent.RunStart, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			eachSandbox(t, func(t *testing.T, r *gitrunner.Runner) {
				began := time.Now()
				_, err := runDir(t, r, c.dir(t), time.Second)
				requireResult(t, c.result, err)
				require.ErrorContains(t, err, c.want)
				require.Less(t, time.Since(began), slack+3*time.Second)
			})
		})
	}
}

func TestDirectoryClosedToThePluginsUserIsNamed(t *testing.T) {
	needRoot(t)
	r := newRunner(t, "")
	dir := script(t, "true")
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o700))
	_, err := runDir(t, r, dir, time.Second)
	requireResult(t, agent.RunStart, err)
	require.ErrorContains(t, err, "the user nobody may not enter the directory "+filepath.Dir(dir))
}

func TestBinaryRubbishComesBackAsItIs(t *testing.T) {
	r := newRunner(t, "")
	res, err := runDir(t, r, script(t, `printf '\000\377\001'`), 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 255, 1}, res.Stdout)
}

func TestArgumentsForAShellAreRefused(t *testing.T) {
	r := newRunner(t, "")
	dir := script(t, `printf '%s\n' "$@"`)
	for _, arg := range []string{"a;b", "a|b", "a<b", "a>b", "`a`", "a&&b", "a\nb", "a\x00b", "a\x7fb"} {
		_, err := runDir(t, r, dir, time.Second, arg)
		requireResult(t, agent.RunStart, err)
		require.ErrorContains(t, err, "is not allowed")
	}
	res, err := runDir(t, r, dir, 5*time.Second, "$(id)", "a&b", "*", "-x", "")
	require.NoError(t, err)
	require.Equal(t, "$(id)\na&b\n*\n-x\n\n", string(res.Stdout))
}

func TestPluginCannotKillTheAgent(t *testing.T) {
	needRoot(t)
	eachSandbox(t, func(t *testing.T, r *gitrunner.Runner) {
		_, err := runDir(t, r, script(t, "kill -9 $PPID"), 5*time.Second)
		requireResult(t, agent.RunExit, err)
	})
}

func TestPluginCannotBecomeRoot(t *testing.T) {
	needRoot(t)
	dir := script(t, "./id -u")
	id, err := os.ReadFile("/usr/bin/id")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/id", id, 0o755))
	require.NoError(t, os.Chmod(dir+"/id", 0o755|os.ModeSetuid))
	res, err := runDir(t, newRunner(t, ""), dir, 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, "65534\n", string(res.Stdout))
}

func TestForkBombIsBoundedAndEnded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	needRoot(t)
	if _, err := exec.LookPath("perl"); err != nil {
		t.Skip("there is no perl")
	}
	for _, noCgroup := range []bool{false, true} {
		plugins := tempDir(t) + "/plugins"
		r := newRunner(t, "", in(plugins), func(c *gitrunner.Config) { c.NoCgroup, c.MaxProcesses = noCgroup, 40 })
		t.Run(r.InspectPlugin(mysql()).Cell, func(t *testing.T) {
			dir := script(t, `exec perl -e 'open F, ">$ENV{HOME}/forks"; while (1) { syswrite F, "x" if defined fork }'`)
			_, err := runDir(t, r, dir, time.Second)
			requireResult(t, agent.RunTimeout, err)
			info, err := os.Stat(filepath.Join(plugins, ".agent-state/db.example/mysql/forks"))
			require.NoError(t, err)
			require.Less(t, info.Size(), int64(200))
			require.Zero(t, processesIn(t, dir))
			res, err := runDir(t, r, script(t, "echo fine"), 5*time.Second)
			require.NoError(t, err)
			require.Equal(t, "fine\n", string(res.Stdout))
		})
	}
}

// processesIn counts the processes whose working directory is dir.
func processesIn(t *testing.T, dir string) (n int) {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(t, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == dir {
			n++
		}
	}
	return n
}

func TestNothingOfAPluginIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, text := range map[string]string{
		"ignores SIGTERM":           `trap "" TERM; while :; do sleep 1; done`,
		"grandchild holds stdout":   `(trap "" TERM; exec sleep 1000) & exit 0`,
		"setsid and double fork":    `(setsid sh -c 'trap "" TERM; sleep 1000' &); exec sleep 1000`,
		"setsid, empty environment": `(env -i setsid sh -c 'trap "" TERM; sleep 1000' >/dev/null 2>&1 </dev/null &); exit 0`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSandbox(t, func(t *testing.T, r *gitrunner.Runner) {
				dir := script(t, text)
				began := time.Now()
				runDir(t, r, dir, 500*time.Millisecond)
				require.Less(t, time.Since(began), slack+3*time.Second)
				require.Zero(t, processesIn(t, dir))
			})
		})
	}
}

func TestOutputInMasseCostsLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	r := newRunner(t, "")
	for _, text := range []string{"yes | head -c 104857600 >&2", "exec yes"} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		res, _ := runDir(t, r, script(t, text), 20*time.Second)
		runtime.GC()
		runtime.ReadMemStats(&after)
		require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10<<20))
		require.LessOrEqual(t, len(res.Stderr), 4<<10)
	}
}

func TestFiguresOfTheLastRunAreKnown(t *testing.T) {
	r, _ := installed(t, "echo help >&2; i=0; while test $i -lt 20000; do i=$((i+1)); done")
	run(t, r)
	details := r.InspectPlugin(mysql())
	require.Equal(t, "help\n", details.Stderr)
	require.Greater(t, details.CPU, 0.001)
	require.NotEmpty(t, details.Cell)
}

func TestStoppedRunIsNotThePluginsFault(t *testing.T) {
	r := newRunner(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := r.RunDir(ctx, script(t, "exec sleep 100"), mysql(), nil)
	require.ErrorIs(t, err, context.Canceled)
	var failed *agent.RunError
	require.NotErrorAs(t, err, &failed)
}
