package gitrunner_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/policy"
)

// dynamic gives the plugins of each namespace a user of their own.
func dynamic(c *gitrunner.Config) { c.User = gitrunner.DynamicUser }

// of is the plugin of another namespace.
func of(namespace string) agent.Plugin {
	p := mysql()
	p.Namespace = namespace
	return p
}

// uidIn runs a plugin of a namespace that prints its user's number.
func uidIn(t *testing.T, r *gitrunner.Runner, namespace string) int {
	t.Helper()
	res, err := r.RunDir(t.Context(), script(t, "id -u; touch $HOME/mine"), of(namespace), nil)
	require.NoError(t, err, string(res.Stderr))
	uid, err := strconv.Atoi(strings.TrimSpace(string(res.Stdout)))
	require.NoError(t, err)
	require.GreaterOrEqual(t, uid, gitrunner.FirstDynamicUID)
	require.LessOrEqual(t, uid, gitrunner.LastDynamicUID)
	return uid
}

// The attacks of a neighbour on a victim. They are only run as a user of this test alone,
// because they would kill other processes of the user.
const attack = `test $(id -u) -ge 1879048192 || exit 9
cat /proc/$VICTIM/environ >/dev/null && echo environ; cat $STATE/secret && echo state; echo x > $STATE/secret && echo wrote; ls /proc/$VICTIM/fd/ && echo fd
kill -0 $VICTIM && echo seen; kill -KILL $VICTIM && echo killed; trap "" TERM; kill -TERM -1; kill -KILL -1; exit 0`

func TestPluginsOfTwoNamespacesDoNotReachOneAnother(t *testing.T) {
	needRoot(t)
	dir := tempDir(t) + "/plugins"
	r := newRunner(t, "", in(dir), dynamic)
	// Of this process alone, so that kill(-1) finds nothing of another test program.
	owner, neighbour := of(fmt.Sprint("owner.", os.Getpid())), of(fmt.Sprint("neighbour.", os.Getpid()))
	ended := make(chan string, 1)
	victim := script(t, `echo secret > $HOME/secret; chmod 666 $HOME/secret; echo $$ > $HOME/new; mv $HOME/new $HOME/pid; until test -e $HOME/go; do sleep 0.02; done; cat $HOME/secret`)
	go func() {
		res, err := r.RunDir(t.Context(), victim, owner, nil)
		assert.NoError(t, err)
		ended <- string(res.Stdout)
	}()
	state := filepath.Join(dir, ".agent-state", owner.Namespace, "mysql")
	var pid []byte
	require.Eventually(t, func() (there bool) {
		var err error
		pid, err = os.ReadFile(state + "/pid")
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	env := "VICTIM=" + strings.TrimSpace(string(pid)) + "\nSTATE=" + state + "\n"

	res, err := r.RunDir(t.Context(), script(t, env+attack), neighbour, nil)
	if err != nil { // if it may signal itself
		require.ErrorContains(t, err, "killed")
	}
	require.Empty(t, string(res.Stdout), string(res.Stderr))

	// Only the users separate them: without a sandbox, there are neither Landlock nor mounts.
	uid := uidIn(t, r, neighbour.Namespace)
	require.NotEqual(t, uidIn(t, r, owner.Namespace), uid)
	free := exec.CommandContext(t.Context(), "/bin/sh", "-c", env+attack)
	free.Dir = "/"
	free.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	out, err := free.Output()
	require.Empty(t, string(out))
	require.NotEqual(t, 9, free.ProcessState.ExitCode(), err)

	require.NoError(t, os.WriteFile(state+"/go", nil, 0o600))
	require.Equal(t, "secret\n", <-ended)
}

func TestNamespaceKeepsItsUserOverARestart(t *testing.T) {
	needRoot(t)
	// The names of the last two make the same number.
	namespaces := []string{"web.example", "ns.97558", "ns.299820"}
	dir := tempDir(t) + "/plugins"
	uids := map[string]int{}
	r := newRunner(t, "", in(dir), dynamic)
	for _, namespace := range namespaces {
		uids[namespace] = uidIn(t, r, namespace)
	}
	require.Equal(t, uids["ns.97558"]+1, uids["ns.299820"])
	require.NoError(t, r.Close(t.Context()))

	r = newRunner(t, "", in(dir), dynamic)
	for _, namespace := range []string{"ns.299820", "ns.97558", "web.example"} {
		require.Equal(t, uids[namespace], uidIn(t, r, namespace), namespace)
	}
}

func TestEverythingOfAPluginBelongsToItsDynamicUser(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	needRoot(t)
	dir, err := os.MkdirTemp("/var/tmp", "plugins-") // below /tmp, its own /tmp would be shared
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	root := gittest.NewRoot(t)
	root.Plugin("dba/mysql", `echo $(id -u) $(id -g) $(id -G); stat -c "%u %g %a" $HOME /tmp; touch $HOME/old; echo $$ > /tmp/mine; stat -c %u $HOME/old /tmp/mine; test -w plugin || echo fixed`)
	check := func(r *gitrunner.Runner, uid string) {
		require.NoError(t, r.Install(t.Context(), mysql()))
		if !slices.Contains(r.InspectPlugin(mysql()).Confined, "tmp") {
			t.Skip("plugins share /tmp here: ", r.InspectPlugin(mysql()).Unconfined)
		}
		require.Equal(t, strings.ReplaceAll("U U U\nU U 700\nU U 700\nU\nU\nfixed\n", "U", uid), run(t, r))
		var stat syscall.Stat_t
		require.NoError(t, syscall.Stat(dir+"/db.example/mysql", &stat))
		require.Equal(t, uid, fmt.Sprint(stat.Gid))
		require.EqualValues(t, 0o750, stat.Mode&0o777, "no other namespace reads the plugin")
	}
	r := newRunner(t, root.Template(), in(dir), rule(policy.Rule{User: gitrunner.DynamicUser}))
	uid := strconv.Itoa(uidIn(t, r, "db.example"))
	check(r, uid)
	require.Equal(t, "dynamic (uid "+uid+")", r.InspectPlugin(mysql()).User)
	require.NotContains(t, r.InspectPlugin(other()).User, "dynamic", "no rule is for it")
	require.NoError(t, r.Close(t.Context()))

	// The state of another user is given to the new user, and back.
	r = newRunner(t, root.Template(), in(dir))
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Contains(t, run(t, r), "65534")
	require.NoError(t, r.Close(t.Context()))
	check(newRunner(t, root.Template(), in(dir), dynamic), uid)
}

func TestDynamicIsForPluginsAlone(t *testing.T) {
	require.ErrorContains(t, gitrunner.CheckGitUser("dynamic", "nobody"), "dynamic is only for plugins")
	require.NoError(t, gitrunner.CheckUser("dynamic"))
	uids, dynamic, err := gitrunner.UIDs("dynamic")
	require.NoError(t, err)
	require.Empty(t, uids)
	require.Equal(t, os.Geteuid() == 0, dynamic)
}
