//go:build linux

package gitrunner_test

import (
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

// Each new runner verifies the installed version again.

func TestWhatARemovedKeyHasSignedIsNotRunAfterARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	w.release(w.anna, "echo signed")
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.NoError(t, r.Close(t.Context()))
	w.allow("bert " + gittest.NewKey(t, "ed25519").Public())
	r = w.runner()
	requireUnsigned(t, r.Install(t.Context(), mysql()), "which is not in "+w.signers)
	_, err := r.Run(t.Context(), mysql(), nil)
	requireResult(t, agent.RunPolicy, err)
}

func TestAfterAKeyIsRemovedTheServerCannotGoBackToAnOlderRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	bert := gittest.NewKey(t, "ed25519")
	w.allow("anna "+w.anna.Public(), "bert "+bert.Public())
	old := w.release(w.anna, "echo old")
	w.release(bert, "echo new")
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.NoError(t, r.Close(t.Context()))
	w.allow("anna " + w.anna.Public())
	w.repo.Git("reset", "--quiet", "--hard", old)
	r = w.runner()
	requireUnsigned(t, r.Install(t.Context(), mysql()), "commit "+old+" of ")
	_, err := r.Run(t.Context(), mysql(), nil)
	requireResult(t, agent.RunPolicy, err)
}

func TestWhatHasNoRecordOfItsSignerIsNotRun(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	w.release(w.anna, "echo signed")
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.NoError(t, r.Close(t.Context()))
	require.NoError(t, os.Remove(filepath.Join(w.dir, "db.example", "mysql", ".git", "agent-release.json")))
	r = w.runner()
	_, err := r.Run(t.Context(), mysql(), nil)
	requireResult(t, agent.RunPolicy, err)
	require.ErrorContains(t, err, "without a record")
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "signed\n", run(t, r))
}

func TestAnExpiredKeyStopsNothingThatIsInstalled(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	w.release(w.anna, "echo signed")
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.NoError(t, r.Close(t.Context()))
	record := filepath.Join(w.dir, "db.example", "mysql", ".git", "agent-release.json")
	text, err := os.ReadFile(record)
	require.NoError(t, err)
	today := time.Now().Format(`"at":"2006-01-02T`)
	require.Contains(t, string(text), today)
	earlier := strings.Replace(string(text), today, `"at":"2019-12-31T`, 1)
	require.NoError(t, os.WriteFile(record, []byte(earlier), 0o600))

	w.allow(`anna valid-before="20200101" ` + w.anna.Public())
	r = w.runner()
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "signed\n", run(t, r))
	w.repo.Release("echo new")
	w.repo.SignedCommit(w.anna)
	requireUnsigned(t, r.Update(t.Context(), mysql()), "was valid before 2020")
}

func TestWhatWasInstalledWithoutSignersIsJudgedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	unsignedRunner := w.runner(func(c *gitrunner.Config) { c.Policy = policy.Policy{} })
	require.NoError(t, unsignedRunner.Install(t.Context(), mysql()))
	require.Equal(t, "unsigned\n", run(t, unsignedRunner))
	require.NoError(t, unsignedRunner.Close(t.Context()))

	r := w.runner()
	requireUnsigned(t, r.Install(t.Context(), mysql()), "is not signed")
	_, err := r.Run(t.Context(), mysql(), nil)
	requireResult(t, agent.RunPolicy, err)
	w.release(w.anna, "echo signed")
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "signed\n", run(t, r))
}
