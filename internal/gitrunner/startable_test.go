//go:build linux

package gitrunner_test

import (
	"encoding/binary"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gittest"
)

// cannotStart are plugins that the kernel would not start, and why.
func cannotStart(t *testing.T) map[string]struct{ content, want string } {
	t.Helper()
	program, err := os.ReadFile("/bin/true")
	require.NoError(t, err)
	foreign := append([]byte(nil), program...)
	binary.LittleEndian.PutUint16(foreign[18:], 2) // EM_SPARC
	loader := strings.Replace(string(program), "/lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-none-64.so.2", 1)
	cases := map[string]struct{ content, want string }{
		"CRLF":                {"#!/bin/sh\r\necho x\r\n", "ends as on Windows (CRLF)"},
		"CRLF after env":      {"#!/usr/bin/env sh\r\necho x\r\n", "ends as on Windows (CRLF)"},
		"no #!":               {"echo x\n", "neither a script that begins with #! nor a program"},
		"nothing after #!":    {"#! \necho x\n", "has #! and no interpreter"},
		"empty":               {"", "is empty"},
		"byte order mark":     {"\xef\xbb\xbf#!/bin/sh\n", "byte order mark"},
		"pointer of LFS":      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "pointer of Git LFS"},
		"no interpreter":      {"#!/usr/bin/no-such-python3\n", "/usr/bin/no-such-python3 that its file plugin names is not on this host"},
		"no command for env":  {"#!/usr/bin/env no-such-python3\n", "no-such-python3 that its file plugin names is not on the PATH"},
		"no command, env -S":  {"#!/usr/bin/env -S A=b no-such-python3 -u\n", "is not on the PATH"},
		"directory as such":   {"#!/tmp\n", "is not an executable file"},
		"interpreter of text": {"#!/etc/passwd\n", "is not an executable file"},
		"first line too long": {"#!/" + strings.Repeat("x", 300) + "\n", "longer than the 255 characters"},
		"cut-off program":     {"\x7fELF\x02\x01", "cut off"},
		"foreign program":     {string(foreign), "another processor"},
	}
	if loader != string(program) {
		cases["no loader"] = struct{ content, want string }{loader, "the dynamic loader /lib64/ld-linux-none-64.so.2"}
	}
	return cases
}

func TestUpdateToAVersionThatCannotStartIsRefusedAndTheOldOneKept(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := tempDir(t)
	r, repo := installed(t, "echo old", in(dir))
	commit := r.InspectPlugin(mysql()).Commit
	for name, c := range cannotStart(t) {
		t.Run(name, func(t *testing.T) {
			repo.Write("plugin", c.content, 0o755)
			repo.Commit()
			require.ErrorContains(t, r.Update(t.Context(), mysql()), c.want)
			require.Equal(t, commit, r.InspectPlugin(mysql()).Commit)
			requireOnlyThePlugins(t, dir, "db.example/mysql")
		})
	}
	require.Equal(t, "old\n", run(t, r))
}

func TestPluginThatCannotStartIsRefusedWithTheSameWordsByTheKernelAndByTheCheck(t *testing.T) {
	r := newRunner(t, "")
	for name, c := range cannotStart(t) {
		if name == "empty" || name == "no command for env" || name == "no command, env -S" || name == "CRLF after env" {
			continue // the kernel starts env, and an empty file is for it what a text is
		}
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			require.NoError(t, os.Chmod(dir, 0o755))
			require.NoError(t, os.WriteFile(dir+"/plugin", []byte(c.content), 0o755))
			_, err := runDir(t, r, dir, 5*time.Second)
			requireResult(t, agent.RunStart, err)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestPluginsThatCanStartAreInstalled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	program, err := os.ReadFile("/bin/true")
	require.NoError(t, err)
	for name, content := range map[string]string{
		"blank after #!":       "#! /bin/sh -e\n",
		"no line break":        "#!/bin/true",
		"env":                  "#!/usr/bin/env sh\n",
		"env with options":     "#!/usr/bin/env -S -i A=b sh -e\n",
		"own interpreter":      "#!./bin/interpreter\n",
		"program":              string(program),
		"CRLF in a later line": "#!/bin/sh\nexit 0 #\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			root := gittest.NewRoot(t)
			repo := root.Repo("dba/mysql")
			repo.Write("plugin", content, 0o755)
			repo.Write("bin/interpreter", string(program), 0o755)
			repo.Commit()
			r := newRunner(t, root.Template())
			require.NoError(t, r.Install(t.Context(), mysql()))
			run(t, r)
		})
	}
}

func TestFileSystemWithoutExecutionIsNamed(t *testing.T) {
	needRoot(t)
	dir := tempDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOEXEC, "size=4m,mode=755"); err != nil {
		t.Skip("cannot mount a tmpfs: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	root := gittest.NewRoot(t)
	root.Plugin("dba/mysql", "echo hello")
	r := newRunner(t, root.Template(), in(dir))
	require.ErrorContains(t, r.Install(t.Context(), mysql()), "mounted with noexec")

	require.NoError(t, os.Mkdir(dir+"/p", 0o755))
	require.NoError(t, os.WriteFile(dir+"/p/plugin", []byte("#!/bin/sh\n"), 0o755))
	_, err := runDir(t, r, dir+"/p", 5*time.Second)
	require.ErrorContains(t, err, "mounted with noexec")
}
