//go:build unix

package pidfile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/pidfile"
)

func TestNobodyElseCanOpenAndLockThePIDFile(t *testing.T) {
	fresh, old := path(t), path(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(old), 0o755))
	require.NoError(t, os.WriteFile(old, []byte("1234\n"), 0o644))
	for _, path := range []string{fresh, old} {
		held, err := pidfile.Take(path)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		require.NoError(t, held.Release())
	}
}

func TestWhatIsNoRegularFileIsNoPIDFile(t *testing.T) {
	for want, make := range map[string]func(path string) error{
		"a symbolic link": func(path string) error {
			target := path + ".target"
			if err := os.WriteFile(target, []byte("mine"), 0o600); err != nil {
				return err
			}
			return os.Symlink(target, path)
		},
		"a named pipe":       func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory":        func(path string) error { return os.Mkdir(path, 0o700) },
		"not a regular file": func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) },
	} {
		path := path(t)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, make(path))
		sentence := path + " is " + want + "; a pid file is a regular file: remove it, or name another path with agent.pidfile"

		_, err := pidfile.Take(path)
		require.EqualError(t, err, sentence)
		_, err = pidfile.Hold(path)
		require.EqualError(t, err, sentence)
		_, err = pidfile.Running(path)
		require.EqualError(t, err, sentence)
		require.NotErrorIs(t, err, pidfile.ErrNotRunning)
		if want == "a symbolic link" {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "mine", string(content))
		}
	}
}
