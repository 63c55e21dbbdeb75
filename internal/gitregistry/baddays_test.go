package gitregistry_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

func TestBadDays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const away = "ask the fleet repository for its head: "
	for name, day := range map[string]struct {
		happens func(w *world)
		says    string
		after   string // namespaces of web-1 then; empty: it fails
	}{
		"the head is rewritten": {happens: func(w *world) {
			w.repo.Git("checkout", "--quiet", "--orphan", "other")
			w.write("web", "name = \"new\"\n")
			w.push()
			w.repo.Git("branch", "--force", "main", "other")
			w.repo.Git("symbolic-ref", "HEAD", "refs/heads/main")
		}, after: "all new"},
		"a file lies about its namespace": {happens: func(w *world) { w.write("all", "name = \"db\"\n"); w.push() }, after: "db web"},
		"a pattern matches nobody":        {happens: func(w *world) { w.write("all", "name = \"all\"\nhosts = [ \"none\" ]\n"); w.push() }, after: "web"},
		"a file is executable": {happens: func(w *world) {
			w.repo.Write("namespaces/x.toml", "name = \"x\"\n", 0o755)
			w.push()
		}, after: "all web x"},
		"the branch is deleted": {happens: func(w *world) { w.repo.Git("update-ref", "-d", "HEAD") }, says: away + "the repository has no default branch with a commit"},
		"the repository moves":  {happens: func(w *world) { require.NoError(w.t, os.Rename(w.repo.Dir, w.repo.Dir+"2")) }, says: "the git host has no such repository, or does not show it to this host; correct git+git://127.0.0.1:"},
		"the repository is emptied": {happens: func(w *world) {
			w.repo.Git("rm", "-rq", "namespaces")
			w.push()
		}, says: "it has no file namespaces/*.toml"},
		"the directory is a file": {happens: func(w *world) {
			w.repo.Git("rm", "-rq", "namespaces")
			w.repo.Write("namespaces", "name = \"web\"\n", 0o644)
			w.push()
		}, says: "it has no file namespaces/*.toml"},
		"a file is large": {happens: func(w *world) { w.write("big", strings.Repeat("#\n", 1<<20)); w.push() }, says: "namespaces/big.toml has 2 MiB; the limit is 1 MiB"},
		"a file has 100 MiB": {happens: func(w *world) {
			w.repo.Git("config", "core.compression", "0")
			w.repo.Write("big", strings.Repeat("0123456789abcdef", 100<<16), 0o644)
			w.push()
		}, says: "the whole transfer, is larger than 64 MiB (the limit of a repository that is only read)"},
		"its files have 1 GiB": {happens: func(w *world) {
			w.repo.Write("big", strings.Repeat("0123456789abcdef", 4<<16), 0o644)
			w.push()
			w.copies(strings.TrimSpace(w.repo.Git("rev-parse", "HEAD:big")), 2) // 256 of them
		}, says: "its files take more than 64 MiB (the limit of a repository that is only read)"},
		"it has a million files": {happens: func(w *world) {
			w.copies(strings.TrimSpace(w.repo.Git("rev-parse", "HEAD:README.md")), 5)
		}, says: "it has more than 20000 files (the limit of a repository that is only read)"},
		"a file is not UTF-8": {happens: func(w *world) { w.write("web", "name = \"web\" # \xff\n"); w.push() }, says: "namespaces/web.toml:1: not TOML: invalid UTF-8"},
		"git is gone":         {happens: func(w *world) { w.t.Setenv("PATH", without(w.t)) }, says: "there is no program git"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.has("web-1", "all web")
			day.happens(w)
			if day.after == "" {
				w.fails(day.says)
				return
			}
			w.has("web-1", day.after)
			w.leavesNothing()
		})
	}
}

// copies commits a tree of 16^levels files with one content, which are few objects.
func (w *world) copies(blob string, levels int) {
	w.t.Helper()
	tree := w.tree("100644 blob " + blob)
	for range levels - 1 {
		tree = w.tree("040000 tree " + tree)
	}
	w.repo.Git("update-ref", "HEAD", strings.TrimSpace(w.repo.Git("commit-tree", tree, "-m", "many")))
}

// tree makes a tree that has one entry 16 times.
func (w *world) tree(entry string) string {
	w.t.Helper()
	index := filepath.Join(w.t.TempDir(), "tree")
	var text strings.Builder
	for _, name := range "0123456789abcdef" {
		text.WriteString(entry + "\t" + string(name) + "\n")
	}
	require.NoError(w.t, os.WriteFile(index, []byte(text.String()), 0o600))
	return strings.TrimSpace(w.repo.Git("-c", "alias.from=!git mktree <"+index, "from"))
}

func TestAServerThatHangsTakesOnlyItsTime(t *testing.T) {
	w := newWorld(t)
	w.open(w.root.Hanging(), "", func(c *stock.RegistryConfig) { c.Git.GitTimeout = time.Second })
	began := time.Now()
	w.fails("git timed out after 1s (agent.gittimeout)")
	require.Less(t, time.Since(began), patience)

	w.open(w.root.Hanging(), "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := w.registry.Assignments(ctx, agent.Host{Hostname: "web-1"})
	require.Error(t, err)
	require.Less(t, time.Since(began), patience)
	w.leavesNothing()
}
