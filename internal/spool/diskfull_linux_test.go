package spool_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/spool"
	"github.com/stretchr/testify/require"
)

// TestDiskFull fills a small file system, and empties it again.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("spool", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mounting needs privileges: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: dir}, inner)
	accepted := fillDisk(t, s)
	require.NotZero(t, accepted)
	require.Contains(t, strings.Join(s.spool.Inspect().Problems, ""), "no space left")
	requireBalance(t, s.Accounts())

	require.NoError(t, os.Remove(ballast))
	write(t, s, batch("b", 0, 1000))
	require.Empty(t, s.spool.Inspect().Problems, "it recovers by itself")

	inner.set(nil)
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	accounts := s.Accounts()
	requireBalance(t, accounts)
	require.Equal(t, int64(accepted), accounts["a"].Delivered)
	require.Equal(t, accepted, inner.points("a"))
	require.Equal(t, 1000, inner.points("b"))
	require.Empty(t, s.spool.Damages())
}

// fillDisk writes until it fails a few times and returns how many points were
// accepted.
func fillDisk(t *testing.T, s *journey) (accepted int) {
	for failed := 0; failed < 20; {
		err := s.Write(context.Background(), batch("a", accepted, 1000))
		if err == nil {
			accepted += 1000
			require.Less(t, accepted, 1_000_000, "the disk never fills")
			continue
		}
		failed++
		require.ErrorIs(t, err, syscall.ENOSPC)
		var permanent *agent.PermanentError
		require.False(t, errors.As(err, &permanent), "it may be tried again")
	}
	return accepted
}
