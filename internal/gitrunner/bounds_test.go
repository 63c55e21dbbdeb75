//go:build linux

package gitrunner_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
)

func TestSmallRepositoryThatNamesMillionsOfFilesIsRefusedBeforeTheCheckout(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	root, dir := gittest.NewRoot(t), tempDir(t)
	repo := root.Plugin("dba/mysql", "true")
	manyFiles(repo, 7) // 10 million
	r := newRunner(t, root.Template(), in(dir))
	require.ErrorContains(t, r.Install(t.Context(), mysql()), "it has more than 20000 files (agent.gitmaxfiles)")
	requireOnlyThePlugins(t, dir)
}

// manyFiles makes the branch release a tree of 10^depth small files that are
// all the same.
func manyFiles(repo *gittest.Repo, depth int) {
	repo.Write("x", "x", 0o644)
	object := "100644 blob " + strings.TrimSpace(repo.Git("hash-object", "-w", "x"))
	for range depth {
		var list strings.Builder
		for i := range 10 {
			fmt.Fprintf(&list, "%s\t%d\n", object, i)
		}
		repo.Write("list", list.String(), 0o644)
		object = "040000 tree " + strings.TrimSpace(repo.Git("-c", "alias.maketree=!git mktree <list", "maketree"))
	}
	_, tree, _ := strings.Cut(object, "tree ")
	repo.Git("reset", "--quiet", "--soft", strings.TrimSpace(repo.Git("commit-tree", "-m", "many", tree)))
}

func TestEachBoundIsSaidWithItsKey(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	random := make([]byte, 4<<20)
	rand.Read(random)
	for name, c := range map[string]struct {
		content string
		bound   func(*gitrunner.Config)
		want    string
	}{
		"transfer": {string(random), func(c *gitrunner.Config) { c.MaxSize = 2 << 20 }, "is larger than 2 MiB (agent.gitmaxsize)"},
		"files":    {strings.Repeat("x", 4<<20), func(c *gitrunner.Config) { c.MaxSize = 2 << 20 }, "its files take more than 2 MiB (agent.gitmaxsize)"},
		"number":   {"x", func(c *gitrunner.Config) { c.MaxFiles = 2 }, "it has more than 2 files (agent.gitmaxfiles)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			r, repo := installed(t, "echo old", in(dir), func(c *gitrunner.Config) { c.MaxFiles = 3 })
			require.NoError(t, r.Close(t.Context()))
			repo.Write("big", c.content, 0o644)
			repo.Release("echo new")
			r = newRunner(t, "file://"+strings.TrimSuffix(repo.Dir, "/dba/mysql.git")+"/%s.git", in(dir), c.bound)
			require.ErrorContains(t, r.Update(t.Context(), mysql()), c.want)
			require.Equal(t, "old\n", run(t, r))
			requireOnlyThePlugins(t, dir, "db.example/mysql")
		})
	}
}

func TestLargeFileWithinTheBoundsIsInstalled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	root := gittest.NewRoot(t)
	repo := root.Plugin("dba/mysql", "wc -c <big")
	content := make([]byte, 8<<20)
	rand.Read(content)
	repo.Write("big", string(content), 0o644)
	repo.Commit()
	r := newRunner(t, root.Template())
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "8388608\n", run(t, r))
}

func TestDefaultBranchThatDoesNotExistIsToldFromAnEmptyRepository(t *testing.T) {
	root := gittest.NewRoot(t)
	repo := root.Repo("dba/mysql")
	repo.Release("true")
	repo.Git("branch", "develop")
	repo.Git("symbolic-ref", "HEAD", "refs/heads/gone")
	r := newRunner(t, root.Template())
	err := r.Install(t.Context(), mysql())
	require.ErrorContains(t, err, "no branch release, and its HEAD names a branch that does not exist (it has develop, main)")
}

func TestRewrittenAddressIsExplained(t *testing.T) {
	home := tempDir(t)
	root := gittest.NewRoot(t)
	require.NoError(t, os.WriteFile(home+"/.gitconfig", []byte("[url \"ssh://127.0.0.1/\"]\ninsteadOf = \"file://"+root.Dir+"/\"\n"), 0o644))
	t.Setenv("HOME", home)
	err := newRunner(t, root.Template()).Install(t.Context(), mysql())
	require.ErrorContains(t, err, "insteadOf")
}
