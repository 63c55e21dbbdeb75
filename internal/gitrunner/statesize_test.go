//go:build linux

package gitrunner_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/policy"
)

func TestPluginThatFillsItsStateIsKilledAndNotStartedUntilItIsSmaller(t *testing.T) {
	for name, fill := range map[string]string{
		"a large file":                              `head -c 3000000 /dev/zero > big`,
		"a file behind its back":                    `mkdir -p a/b && cd a/b && ln -s / root && head -c 3000000 /dev/zero > .big`,
		"a file in a directory that was seen empty": `sleep 2.5; head -c 3000000 /dev/zero > late`,
		"many small files":                          `for i in $(seq 80); do echo > f$i; done`,
		"many empty directories":                    `mkdir -p $(seq 80)`,
		"directories of great depth":                `perl -e 'for (1..100) { mkdir "d"; chdir "d" }'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t) + "/plugins"
			state := filepath.Join(dir, ".agent-state", "db.example", "mysql")
			r := newRunner(t, "", in(dir), rule(policy.Rule{State: 1 << 20}))
			plugin := script(t, `[ "$1" ] && { cd $HOME; `+fill+`; sleep 60; }; echo ran`)
			res, err := r.RunDir(t.Context(), plugin, mysql(), nil)
			require.NoError(t, err, string(res.Stderr))
			began := time.Now()
			res, err = r.RunDir(t.Context(), plugin, mysql(), []string{"fill"})
			requireResult(t, agent.RunOutput, err)
			require.ErrorContains(t, err, "policy.plugin.state: the plugin's own directory "+state)
			require.Less(t, time.Since(began), 20*time.Second)
			_, err = r.RunDir(t.Context(), plugin, mysql(), nil)
			requireResult(t, agent.RunPolicy, err)
			var refused *agent.PolicyError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "policy.plugin.state", refused.Rule)
			require.NoError(t, os.RemoveAll(state))
			res, err = r.RunDir(t.Context(), plugin, mysql(), nil)
			require.NoError(t, err)
			require.Equal(t, "ran\n", string(res.Stdout))
		})
	}
}

func TestPluginThatWasKilledForItsStateIsNotStartedWhileNobodyLooks(t *testing.T) {
	dir := tempDir(t) + "/plugins"
	r := newRunner(t, "", in(dir), rule(policy.Rule{State: 100 << 20}))
	plugin := script(t, `cd $HOME; case "$1" in
		begin) seq 4000 | xargs touch ;; # a look at these takes so long that the next is seconds later
		fill) head -c 60000000 /dev/zero > big; sleep 60 ;;
	esac`)
	for _, what := range []string{"begin", "nothing"} {
		_, err := r.RunDir(t.Context(), plugin, mysql(), []string{what})
		require.NoError(t, err)
	}
	_, err := r.RunDir(t.Context(), plugin, mysql(), []string{"fill"})
	requireResult(t, agent.RunOutput, err)
	_, err = r.RunDir(t.Context(), plugin, mysql(), nil)
	requireResult(t, agent.RunPolicy, err)
}

func TestStateIsOnlyWhatThePluginKeepsThere(t *testing.T) {
	r := newRunner(t, "", func(c *gitrunner.Config) { c.MaxState = 1 << 20 })
	outside := filepath.Join(tempDir(t), "outside")
	require.NoError(t, os.WriteFile(outside, make([]byte, 3<<20), 0o644))
	plugin := script(t, `cd $HOME; ln -sf `+outside+` link; ln -sfn / root; truncate -s 1T sparse; head -c 500000 /dev/zero > f; rm -f f2; head -c 500000 /dev/zero > f2; rm f2`)
	for range 2 {
		res, err := r.RunDir(t.Context(), plugin, mysql(), nil)
		require.NoError(t, err, string(res.Stderr))
	}
	require.EqualValues(t, 1<<20, r.InspectPlugin(mysql()).StateLimit)
}

func TestPluginMayRemoveItsOwnDirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	r := newRunner(t, "")
	plugin := script(t, `rm -rf $HOME; sleep 1.2`)
	for range 2 {
		_, err := r.RunDir(t.Context(), plugin, mysql(), nil)
		require.NoError(t, err)
	}
}
