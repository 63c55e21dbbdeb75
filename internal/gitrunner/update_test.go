//go:build linux

package gitrunner_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gittest"
)

func TestUpdateTakesTheNewestRelease(t *testing.T) {
	dir := tempDir(t)
	r, repo := installed(t, "echo old", in(dir))
	commit := repo.Release("echo new")
	require.NoError(t, r.Update(t.Context(), mysql()))
	require.Equal(t, "new\n", run(t, r))
	require.Equal(t, commit, r.InspectPlugin(mysql()).Commit)
	requireOnlyThePlugins(t, dir, "db.example/mysql")
}

func TestUpdateThatFailsKeepsTheOldVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	for name, spoil := range map[string]func(*gittest.Repo){
		"vanished":       func(r *gittest.Repo) { os.RemoveAll(r.Dir) },
		"no plugin file": func(r *gittest.Repo) { r.Git("rm", "--quiet", "plugin"); r.Commit() },
	} {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			r, repo := installed(t, "echo old", in(dir))
			commit := r.InspectPlugin(mysql()).Commit
			spoil(repo)
			require.Error(t, r.Update(t.Context(), mysql()))
			require.Equal(t, "old\n", run(t, r))
			require.Equal(t, commit, r.InspectPlugin(mysql()).Commit)
			requireOnlyThePlugins(t, dir, "db.example/mysql")
		})
	}
}

func TestUpdateDoesNotDisturbARunUnderWay(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	dir := tempDir(t)
	fifo := filepath.Join(tempDir(t), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o666))
	require.NoError(t, os.Chmod(fifo, 0o666))
	r, repo := installed(t, "read x <"+fifo+"; . ./part", in(dir))
	repo.Write("part", "echo old\n", 0o644)
	repo.Commit()
	require.NoError(t, r.Update(t.Context(), mysql()))

	out := make(chan string)
	go func() {
		stdout, err := r.Run(context.Background(), mysql(), nil)
		out <- fmt.Sprint(string(stdout), err)
	}()
	gate, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns once the plugin reads
	require.NoError(t, err)
	repo.Write("part", "echo new\n", 0o644)
	repo.Release(". ./part")
	require.NoError(t, r.Update(t.Context(), mysql()))
	require.NoError(t, gate.Close())

	require.Equal(t, "old\n<nil>", <-out)
	require.Equal(t, "new\n", run(t, r))
	requireOnlyThePlugins(t, dir, "db.example/mysql")
}

func TestChangedAddressIsANewPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	root := gittest.NewRoot(t)
	root.Plugin("dba/mysql", "echo dba")
	root.Plugin("ops/mysql", "echo ops")
	r := newRunner(t, root.Template())
	require.NoError(t, r.Install(t.Context(), mysql()))
	p := mysql()
	p.Repo = "ops/mysql"
	require.NoError(t, r.Install(t.Context(), p))
	require.Equal(t, "ops\n", run(t, r))
}

func TestRemovedPluginLeavesNothingOnDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	dir := tempDir(t)
	r, _ := installed(t, "echo hello", in(dir))
	require.NoError(t, r.Remove(t.Context(), mysql()))
	requireOnlyThePlugins(t, dir)
	require.NoDirExists(t, filepath.Join(dir, "db.example"))
	require.Empty(t, r.InspectPlugin(mysql()).Commit)
	_, err := r.Run(t.Context(), mysql(), nil)
	requireResult(t, agent.RunStart, err)

	require.NoError(t, r.Remove(t.Context(), mysql()))
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "hello\n", run(t, r))
}

func TestRemovalDoesNotDisturbARunUnderWay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	dir := tempDir(t)
	fifo := filepath.Join(tempDir(t), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o666))
	require.NoError(t, os.Chmod(fifo, 0o666))
	r, _ := installed(t, "read x <"+fifo+"; cat README", in(dir))
	out := make(chan string)
	go func() {
		stdout, err := r.Run(context.Background(), mysql(), nil)
		out <- fmt.Sprint(string(stdout), err)
	}()
	gate, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns once the plugin reads
	require.NoError(t, err)
	require.NoError(t, r.Remove(t.Context(), mysql()))
	require.NoError(t, gate.Close())
	require.Equal(t, "a plugin\n<nil>", <-out)
	requireOnlyThePlugins(t, dir)
}

func TestWhatTheAgentDidNotInstallIsNotRemoved(t *testing.T) {
	dir := tempDir(t)
	theirs := filepath.Join(dir, "db.example", "mysql", "data")
	require.NoError(t, os.MkdirAll(theirs, 0o755))
	r := newRunner(t, "", in(dir))
	require.NoError(t, r.Remove(t.Context(), mysql()))
	require.DirExists(t, theirs)
}
