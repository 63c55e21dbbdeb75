//go:build linux

package gitrunner_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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

// storeOf returns what git prints about the objects of an installed plugin.
func storeOf(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "safe.directory=*", "-C", filepath.Join(dir, "db.example/mysql")}, args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

func TestRollbackNeedsNoServerAndGoesBackTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := tempDir(t)
	r, repo := installed(t, "echo 1", in(dir))
	commits := []string{head(repo)}
	for i := 2; i <= 5; i++ {
		commits = append(commits, repo.Release(fmt.Sprint("echo ", i)))
		require.NoError(t, r.Update(t.Context(), mysql()))
	}
	requireInstalled(t, r, "", commits[4], "update", "5")
	require.NoError(t, os.Rename(repo.Dir, repo.Dir+".away"))

	require.NoError(t, r.Rollback(t.Context(), mysql()))
	requireInstalled(t, r, "", commits[3], "rollback", "4")
	require.WithinDuration(t, time.Now(), r.InspectPlugin(mysql()).Since, time.Minute)
	require.NoError(t, r.Rollback(t.Context(), mysql()))
	requireInstalled(t, r, "", commits[2], "rollback", "3")
	require.ErrorIs(t, r.Rollback(t.Context(), mysql()), agent.ErrNoEarlierVersion)
	require.NoError(t, r.Install(t.Context(), mysql()))
	requireInstalled(t, r, "", commits[2], "rollback", "3")

	require.NoError(t, r.Close(t.Context()))
	again := newRunner(t, strings.Replace("file://DIR/%s.git", "DIR", filepath.Dir(filepath.Dir(repo.Dir)), 1), in(dir))
	require.NoError(t, again.Install(t.Context(), mysql()), "it is held over a restart, and no server is asked")
	requireInstalled(t, again, "", commits[2], "rollback", "3")
	require.NoError(t, os.Rename(repo.Dir+".away", repo.Dir))
	require.NoError(t, again.Update(t.Context(), mysql()))
	requireInstalled(t, again, "", commits[4], "update", "5")
	requireOnlyThePlugins(t, dir, "db.example/mysql")
}

// Three versions are kept, however many there were, and the objects that they
// share are there once.
func TestVersionsThatAreKeptShareTheirObjectsAndTakeNoMoreSpace(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := tempDir(t)
	random := make([]byte, 1<<20)
	source, err := os.Open("/dev/urandom")
	require.NoError(t, err)
	defer source.Close()
	_, err = source.Read(random)
	require.NoError(t, err)
	r, repo := installed(t, "echo 0", in(dir))
	repo.Write("data", string(random), 0o644)
	for i := range 6 {
		commit := repo.Release(fmt.Sprint("echo ", i+1))
		require.NoError(t, r.Update(t.Context(), mysql()))
		require.Equal(t, commit, r.InspectPlugin(mysql()).Commit)
	}
	require.Equal(t, "3", storeOf(t, dir, "rev-list", "--all", "--count"))
	packs, err := filepath.Glob(filepath.Join(dir, "db.example/mysql/.git/objects/pack/*.pack"))
	require.NoError(t, err)
	require.Len(t, packs, 1)
	info, err := os.Stat(packs[0])
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(1<<20+32<<10))
	require.Empty(t, storeOf(t, dir, "fsck", "--full"))
}

func TestTagThatMovesChangesNothingUntilItIsAskedFor(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	root := gittest.NewRoot(t)
	repo, v1, v2, _ := versions(root)
	r := newRunner(t, root.Daemon())
	require.NoError(t, r.Install(t.Context(), at("v1")))
	repo.Git("tag", "--force", "v1", v2)
	require.NoError(t, r.Install(t.Context(), at("v1")))
	requireInstalled(t, r, "v1", v1, "registry", "one")
	require.NoError(t, r.Update(t.Context(), at("v1")))
	requireInstalled(t, r, "v1", v2, "update", "two")
	require.NoError(t, r.Rollback(t.Context(), at("v1")))
	requireInstalled(t, r, "v1", v1, "rollback", "one")
	require.NoError(t, r.Update(t.Context(), at("v1")))
	requireInstalled(t, r, "v1", v2, "update", "two")

	repo.Git("tag", "--delete", "v1")
	require.ErrorContains(t, r.Update(t.Context(), at("v1")), "has no tag v1")
	requireInstalled(t, r, "v1", v2, "update", "two")
}

func TestTagIsMeantWhereABranchHasItsName(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	root := gittest.NewRoot(t)
	repo, v1, v2, newest := versions(root)
	repo.Git("branch", "v1", newest)
	repo.Git("branch", "refs/tags/v2", newest) // that is refs/heads/refs/tags/v2
	repo.Git("branch", v2, newest)             // a branch that looks like a commit
	repo.Git("tag", v1, newest)
	r := newRunner(t, root.Daemon())
	for version, want := range map[string]string{"v1": v1, "v2": v2, v1: v1} {
		require.NoError(t, r.Install(t.Context(), at(version)))
		require.Equal(t, want, r.InspectPlugin(at(version)).Commit, version)
	}
}

func TestPinnedCommitInAHugeHistoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	root, dir := gittest.NewRoot(t), tempDir(t)
	repo := root.Plugin("dba/mysql", "echo old")
	old := head(repo)
	source, err := os.Open("/dev/urandom")
	require.NoError(t, err)
	defer source.Close()
	noise := make([]byte, 1<<20)
	for range 4 {
		_, err := source.Read(noise)
		require.NoError(t, err)
		repo.Write("noise", string(noise), 0o644)
		repo.Commit()
	}
	require.NoError(t, os.Remove(filepath.Join(repo.Dir, "noise")))
	repo.Release("echo new")
	r := newRunner(t, root.Daemon(), in(dir), func(c *gitrunner.Config) { c.MaxSize = 2 << 20 })
	require.NoError(t, r.Install(t.Context(), mysql()))
	err = r.Update(t.Context(), at(old))
	require.ErrorContains(t, err, "looking for the commit "+old)
	require.ErrorContains(t, err, "agent.gitmaxsize")
	require.ErrorContains(t, err, "a commit that has a tag is found at once")
	requireOnlyThePlugins(t, dir, "db.example/mysql")
	repo.Git("tag", "old", old)
	require.NoError(t, r.Update(t.Context(), at(old)))
	requireInstalled(t, r, old, old, "update", "old")
}

func TestRollbackToWhatThePolicyRefusesLeavesWhatRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	root, dir := gittest.NewRoot(t), tempDir(t)
	_, v1, _, newest := versions(root)
	free := newRunner(t, root.Template(), in(dir))
	require.NoError(t, free.Install(t.Context(), mysql()))
	require.NoError(t, free.Install(t.Context(), at("v1")))
	require.NoError(t, free.Close(t.Context()))

	pinned := newRunner(t, root.Template(), in(dir), func(c *gitrunner.Config) { c.Policy = policy.Policy{Pinned: true} })
	var refused *agent.PolicyError
	require.ErrorAs(t, pinned.Rollback(t.Context(), at("v1")), &refused)
	require.Equal(t, policy.KeyPinned, refused.Rule)
	require.ErrorAs(t, pinned.Install(t.Context(), mysql()), &refused, "the registry names no version any more")
	require.ErrorAs(t, pinned.Update(t.Context(), mysql()), &refused)
	requireInstalled(t, pinned, "v1", v1, "registry", "one")
	out, err := pinned.Run(t.Context(), mysql(), nil)
	require.NoError(t, err, "it is the pinned version that runs")
	require.Equal(t, "one\n", string(out))

	require.NoError(t, pinned.Close(t.Context()))
	require.NoError(t, free.Close(t.Context()))
	other := newRunner(t, root.Template(), in(dir))
	require.NoError(t, other.Rollback(t.Context(), at("v1")))
	require.Equal(t, newest, other.InspectPlugin(mysql()).Commit)
	require.NoError(t, other.Close(t.Context()))
	pinned = newRunner(t, root.Template(), in(dir), func(c *gitrunner.Config) { c.Policy = policy.Policy{Pinned: true} })
	_, err = pinned.Run(t.Context(), at("v1"), nil)
	requireResult(t, agent.RunPolicy, err)
}

func TestDamagedOldVersionsAreGivenUpAndNotRunAndTheNewOneIsInstalled(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	dir := tempDir(t)
	var log strings.Builder
	r, repo := installed(t, "echo 1", in(dir), func(c *gitrunner.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	repo.Release("echo 2")
	require.NoError(t, r.Update(t.Context(), mysql()))
	packs, err := filepath.Glob(filepath.Join(dir, "db.example/mysql/.git/objects/pack/*.pack"))
	require.NoError(t, err)
	pack, err := os.ReadFile(packs[0])
	require.NoError(t, err)
	pack[len(pack)/2] ^= 0xff
	require.NoError(t, os.WriteFile(packs[0], pack, 0o600))

	require.Error(t, r.Rollback(t.Context(), mysql()))
	require.Equal(t, "2\n", run(t, r))
	repo.Release("echo 3")
	require.NoError(t, r.Update(t.Context(), mysql()))
	require.Equal(t, "3\n", run(t, r))
	require.Contains(t, log.String(), "cannot be kept")
	require.ErrorIs(t, r.Rollback(t.Context(), mysql()), agent.ErrNoEarlierVersion)
	requireOnlyThePlugins(t, dir, "db.example/mysql")
}

func TestRollbackOnAFullDiskLeavesWhatRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	needRoot(t)
	dir := tempDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=755"); err != nil {
		t.Skip("cannot mount a tmpfs: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	r, repo := installed(t, "echo old", in(dir))
	repo.Release("echo new")
	require.NoError(t, r.Update(t.Context(), mysql()))
	full, err := os.Create(filepath.Join(dir, "full"))
	require.NoError(t, err)
	for err == nil {
		_, err = full.Write(make([]byte, 4<<10))
	}
	require.NoError(t, full.Close())
	require.Error(t, r.Rollback(t.Context(), mysql()))
	require.Equal(t, "new\n", run(t, r))
	require.NoError(t, os.Remove(full.Name()))
	require.NoError(t, r.Rollback(t.Context(), mysql()))
	require.Equal(t, "old\n", run(t, r))
}

func TestRunsUpdatesAndRollbacksAtATimeAlwaysRunAVersionAsAWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := tempDir(t)
	script := "echo %d; cat part"
	root := gittest.NewRoot(t)
	repo := root.Plugin("dba/mysql", fmt.Sprintf(script, 0))
	repo.Write("part", "0\n", 0o644)
	repo.Commit()
	r := newRunner(t, root.Template(), in(dir))
	require.NoError(t, r.Install(t.Context(), mysql()))
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			out, err := r.Run(context.Background(), mysql(), nil)
			assert.NoError(t, err)
			lines := strings.Fields(string(out))
			if assert.Len(t, lines, 2) {
				assert.Equal(t, lines[0], lines[1])
			}
		}
	})
	for i := range 4 {
		repo.Write("part", fmt.Sprintln(i+1), 0o644)
		repo.Release(fmt.Sprintf(script, i+1))
		assert.NoError(t, r.Update(t.Context(), mysql()))
		assert.NoError(t, r.Rollback(t.Context(), mysql()))
	}
	close(done)
	running.Wait()
	requireOnlyThePlugins(t, dir, "db.example/mysql")
}
