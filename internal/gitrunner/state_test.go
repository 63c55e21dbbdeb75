//go:build linux

package gitrunner_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/policy"
)

// counting is a plugin that counts its runs.
const counting = `n=$(cat $AGENT_STATE_DIR/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > $HOME/n; echo $n`

func TestStateIsKeptOverRunsUpdatesAndStarts(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	root := gittest.NewRoot(t)
	repo := root.Plugin("dba/mysql", counting)
	dir := tempDir(t) + "/plugins"
	r := newRunner(t, root.Template(), in(dir))
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "1\n", run(t, r))
	require.Equal(t, "2\n", run(t, r))
	repo.Release("echo new; " + counting)
	require.NoError(t, r.Update(t.Context(), mysql()))
	require.Equal(t, "new\n3\n", run(t, r))
	r = newRunner(t, root.Template(), in(dir))
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "new\n4\n", run(t, r))
}

func TestStateGoesWithThePlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	dir := tempDir(t) + "/plugins"
	r, _ := installed(t, counting, in(dir))
	require.Equal(t, "1\n", run(t, r))
	require.NoError(t, r.Remove(t.Context(), mysql()))
	left, err := filepath.Glob(dir + "/.agent-*/*/*")
	require.NoError(t, err)
	left = slices.DeleteFunc(left, func(path string) bool { return strings.Contains(path, "/.cover/") }) // empty directories
	require.Len(t, left, 1, "only the lock of the clones: %v", left)
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "1\n", run(t, r), "it begins anew")
}

func TestPluginFromAnotherAddressDoesNotFindTheStateOfTheFormer(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	root := gittest.NewRoot(t)
	root.Plugin("dba/mysql", counting)
	root.Plugin("ops/mysql", counting)
	r := newRunner(t, root.Template())
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "1\n", run(t, r))
	other := mysql()
	other.Repo = "ops/mysql"
	require.NoError(t, r.Install(t.Context(), other))
	out, err := r.Run(t.Context(), other, nil)
	require.NoError(t, err)
	require.Equal(t, "1\n", string(out))
}

func TestStateBelongsToThePluginsUserAndIsClosedToOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	needRoot(t)
	dir := tempDir(t) + "/plugins"
	for _, user := range []string{"", "daemon", ""} {
		r := newRunner(t, "", in(dir), rule(policy.Rule{User: user}))
		plugin := script(t, `stat -c "%U %a" $AGENT_STATE_DIR; id -un; mkdir -p $HOME/d; echo x >> $HOME/d/file; chmod 700 $HOME/d`)
		res, err := r.RunDir(t.Context(), plugin, mysql(), nil)
		require.NoError(t, err)
		name, _, _ := strings.Cut(string(res.Stdout), " ")
		require.Equal(t, name+" 700\n"+name+"\n", string(res.Stdout))
		require.Empty(t, res.Stderr)

		stranger := agent.Plugin{Namespace: "x", Name: "PLUGIN.x", Repo: "x/x"}
		r = newRunner(t, "", in(tempDir(t)), func(c *gitrunner.Config) {
			c.Policy.Rules = []policy.Rule{{Match: "x/x", User: "bin"}}
		})
		res, _ = r.RunDir(t.Context(), script(t, "ls "+dir+"/.agent-state "+dir+"/.agent-state/db.example/mysql; cat "+dir+"/.agent-state/db.example/mysql/d/file"), stranger, nil)
		require.Empty(t, string(res.Stdout))
		require.Equal(t, 3, strings.Count(string(res.Stderr), "Permission denied"), string(res.Stderr))
	}
}

// A plugin that leaves links must not get the files that they name.
func TestStateThatChangesItsUserTakesNothingElseWithIt(t *testing.T) {
	needRoot(t)
	dir := tempDir(t) + "/plugins"
	victim := filepath.Join(tempDir(t), "victim")
	require.NoError(t, os.WriteFile(victim, nil, 0o600))
	r := newRunner(t, "", in(dir))
	res, err := r.RunDir(t.Context(), script(t, "ln -s "+victim+" "+filepath.Dir(victim)+" $HOME/; echo mine > $HOME/mine"), mysql(), nil)
	require.NoError(t, err, string(res.Stderr))
	r = newRunner(t, "", in(dir), rule(policy.Rule{User: "daemon"}))
	res, err = r.RunDir(t.Context(), script(t, "cat $HOME/mine; echo more >> $HOME/mine"), mysql(), nil)
	require.NoError(t, err, string(res.Stderr))
	require.Equal(t, "mine\n", string(res.Stdout))
	info, err := os.Stat(victim)
	require.NoError(t, err)
	require.EqualValues(t, 0, info.Sys().(*syscall.Stat_t).Uid)
}

func TestTrialOfADirectoryHasAStateThatIsRemoved(t *testing.T) {
	r, err := gitrunner.New(gitrunner.Config{})
	require.NoError(t, err)
	dir := script(t, counting+"; echo $HOME")
	var out string
	for range 2 {
		res, err := r.RunDir(t.Context(), dir, mysql(), nil)
		require.NoError(t, err)
		out = string(res.Stdout)
	}
	count, state, _ := strings.Cut(strings.TrimSpace(out), "\n")
	require.Equal(t, "2", count)
	require.DirExists(t, state)
	require.NoError(t, r.Close(t.Context()))
	require.NoDirExists(t, filepath.Dir(filepath.Dir(state)))
}
