package gitrunner_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/policy"
)

// processes is how many processes a plugin may have that says so.
func processes(t *testing.T, r *gitrunner.Runner, toml string) string {
	// The shell counts: it cannot fork once its limit is reached.
	dir := says(t, script(t, `n=1; while (sleep 10 & exit) 2>/dev/null && [ $n -lt 60 ]; do n=$((n+1)); done; echo $n`), toml)
	res, err := runDir(t, r, dir, 20*time.Second)
	require.NoError(t, err)
	return string(res.Stdout)
}

func TestPluginIsGivenWhatItAsksForWithinThePolicy(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	needRoot(t)
	eachSandbox(t, func(t *testing.T, r *gitrunner.Runner) {
		require.Equal(t, "60\n", processes(t, r, ""))
		require.NotEqual(t, "60\n", processes(t, r, "pids = 20"))
	})
	r := newRunner(t, "", rule(policy.Rule{Pids: 20}))
	require.NotEqual(t, "60\n", processes(t, r, "pids = 1000"), "the policy has the last word")
}
