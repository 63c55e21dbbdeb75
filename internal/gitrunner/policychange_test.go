//go:build linux

package gitrunner_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/policy"
)

// runningDaemon is a daemon that has begun to print.
type runningDaemon struct {
	ended   chan error
	printed chan string
}

// startDaemon runs an installed plugin as a daemon, and returns once it has printed a line.
func startDaemon(t *testing.T, r *gitrunner.Runner, p agent.Plugin) runningDaemon {
	t.Helper()
	d := runningDaemon{make(chan error, 1), make(chan string, 10)}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	t.Cleanup(func() { cancel(); <-gone })
	go func() {
		defer close(gone)
		d.ended <- r.RunDaemon(ctx, p, nil, func(lines []byte) error { d.printed <- strings.TrimSpace(string(lines)); return nil })
	}()
	select {
	case <-d.printed:
	case err := <-d.ended:
		require.NoError(t, err)
	}
	return d
}

// end returns the error with which a run ends.
func end(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(20 * time.Second):
		require.FailNow(t, "the run goes on")
		return nil
	}
}

func adopt(t *testing.T, r *gitrunner.Runner, p policy.Policy) {
	t.Helper()
	adopt, err := r.PreparePolicy(p)
	require.NoError(t, err)
	adopt()
}

func TestAnotherPolicyEndsOnlyTheDaemonsThatItIsAbout(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	root := gittest.NewRoot(t)
	root.Plugin("dba/mysql", "echo $A; exec sleep 1000")
	root.Plugin("web/nginx", "echo b; exec sleep 1000")
	env := filepath.Join(t.TempDir(), "env")
	require.NoError(t, os.WriteFile(env, []byte("A=1\n"), 0o600))
	rules := func(change policy.Rule) policy.Policy {
		change.Match = "dba/*"
		return policy.Policy{Rules: []policy.Rule{change}}
	}
	first := rules(policy.Rule{Pids: 50})
	r := newRunner(t, root.Template(), in(tempDir(t)), func(c *gitrunner.Config) { c.Policy = first })
	for _, p := range []agent.Plugin{mysql(), other()} {
		require.NoError(t, r.Install(t.Context(), p))
	}
	untouched := startDaemon(t, r, other())
	for _, c := range []struct {
		name      string
		from, to  policy.Policy
		secret    string
		want      error
		refusedBy string
	}{
		{name: "nothing has changed", from: first, to: first},
		{name: "the rule matches by another glob", from: first, to: policy.Policy{Rules: []policy.Rule{{Match: "dba/mysql", Pids: 50}}}},
		{name: "another limit", from: first, to: rules(policy.Rule{Pids: 60}), want: agent.ErrRunAgain},
		{name: "another secret in the same file", from: rules(policy.Rule{Env: env}), to: rules(policy.Rule{Env: env}), secret: "A=2\n", want: agent.ErrRunAgain},
		{name: "it is refused", from: first, to: policy.Policy{Plugins: []string{"web/*"}}, refusedBy: policy.KeyPlugins},
	} {
		t.Run(c.name, func(t *testing.T) {
			adopt(t, r, c.from)
			d := startDaemon(t, r, mysql())
			if c.secret != "" {
				require.NoError(t, os.WriteFile(env, []byte(c.secret), 0o600))
			}
			adopt(t, r, c.to)
			if c.want == nil && c.refusedBy == "" {
				require.Never(t, func() bool { return len(d.ended) > 0 }, 100*time.Millisecond, 10*time.Millisecond)
				return
			}
			err := end(t, d.ended)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
				return
			}
			requireResult(t, agent.RunPolicy, err)
			var refusal *agent.PolicyError
			require.True(t, errors.As(err, &refusal))
			require.Equal(t, c.refusedBy, refusal.Rule)
			requireResult(t, agent.RunPolicy, r.RunDaemon(t.Context(), mysql(), nil, nil))
		})
	}
	require.Empty(t, untouched.ended)
}

func TestARunThatIsRefusedMeanwhileIsEnded(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	dir := tempDir(t)
	r, _ := installed(t, "echo > $HOME/began; exec sleep 1000", in(dir))
	ended := make(chan error, 1)
	go func() { _, err := r.Run(t.Context(), mysql(), nil); ended <- err }()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, ".agent-state/db.example/mysql/began"))
		return err == nil
	}, 10*time.Second, time.Millisecond)
	adopt(t, r, policy.Policy{Plugins: []string{"web/*"}})
	requireResult(t, agent.RunPolicy, end(t, ended))
	adopt(t, r, policy.Policy{})
	require.NoError(t, r.Install(t.Context(), mysql()))
}

func TestRunsAndPoliciesMayComeTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	r, _ := installed(t, "echo a; exec sleep 1000")
	stop := make(chan struct{})
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for pids := 10; ; pids++ {
			select {
			case <-stop:
				return
			default:
				adopt(t, r, policy.Policy{Rules: []policy.Rule{{Match: mysql().Repo, Pids: 10 + pids%50}}})
			}
		}
	}()
	for range 10 {
		require.ErrorIs(t, r.RunDaemon(t.Context(), mysql(), nil, func([]byte) error { return nil }), agent.ErrRunAgain)
	}
	close(stop)
	<-changed
}
