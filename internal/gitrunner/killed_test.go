//go:build linux

package gitrunner_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gittest"
)

const (
	victimDir      = "GITRUNNER_TEST_VICTIM_DIR"
	victimTemplate = "GITRUNNER_TEST_VICTIM_TEMPLATE"
)

// TestKillLeavesAVersionThatRuns kills a program that installs one version after
// the other and rolls back in between.
func TestKillLeavesAVersionThatRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	if os.Getenv(victimDir) != "" {
		switchVersions(t)
	}
	root, dir := gittest.NewRoot(t), tempDir(t)
	repo := root.Plugin("dba/mysql", "echo 1; cat part")
	for _, n := range []string{"1", "2", "3"} {
		repo.Write("part", n+"\n", 0o644)
		repo.Release("echo " + n + "; cat part")
		repo.Git("tag", "v"+n)
	}
	for range 5 {
		victim := exec.Command(os.Args[0], "-test.run=^TestKillLeavesAVersionThatRuns$")
		victim.Env = append(os.Environ(), victimDir+"="+dir, victimTemplate+"="+root.Template(), "TMPDIR="+tempDir(t)) // which it cannot remove
		require.NoError(t, victim.Start())
		time.Sleep(500*time.Millisecond + rand.N(2*time.Second))
		require.NoError(t, victim.Process.Kill())
		require.ErrorContains(t, victim.Wait(), "killed")

		r := newRunner(t, root.Template(), in(dir))
		if out, err := r.Run(t.Context(), mysql(), nil); r.InspectPlugin(mysql()).Commit != "" {
			require.NoError(t, err)
			lines := strings.Fields(string(out))
			require.Equal(t, lines[0], lines[1])
			require.Empty(t, storeOf(t, dir, "fsck", "--full"))
			requireOnlyThePlugins(t, dir, "db.example/mysql")
		} else {
			requireOnlyThePlugins(t, dir)
		}
		require.NoError(t, r.Update(t.Context(), at("v2")))
		require.NoError(t, r.Install(t.Context(), at("v3")))
		require.NoError(t, r.Rollback(t.Context(), at("v3")))
		require.Equal(t, "2\n2\n", run(t, r))
		require.NoError(t, r.Close(t.Context()))
	}
	left, err := filepath.Glob(filepath.Join(dir, ".agent-clones", "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// switchVersions never returns.
func switchVersions(t *testing.T) {
	r := newRunner(t, os.Getenv(victimTemplate), in(os.Getenv(victimDir)))
	for ctx := context.Background(); ; {
		require.NoError(t, r.Install(ctx, at("v1")))
		require.NoError(t, r.Install(ctx, at("v2")))
		require.NoError(t, r.Install(ctx, at("v3")))
		require.NoError(t, r.Rollback(ctx, at("v3")))
	}
}
