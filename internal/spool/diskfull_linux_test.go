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

// smallDisk returns a directory on a file system of that size.
func smallDisk(t *testing.T, size string) string {
	dir := t.TempDir()
	if err := syscall.Mount("spool", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting needs privileges: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestDiskFull fills a small file system, and empties it again.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t, "4m")
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

// TestWhatAnAlmostFullDiskTookIsCountedWhenItIsDamaged leaves the disk from no
// page to many: at some number there is room for the points, but for no file
// that comes after them.
func TestWhatAnAlmostFullDiskTookIsCountedWhenItIsDamaged(t *testing.T) {
	disk := smallDisk(t, "1m")
	page := os.Getpagesize()
	ballast := filepath.Join(disk, "ballast")
	refused, accepted := 0, 0
	for free := range 32 {
		require.ErrorIs(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600), syscall.ENOSPC)
		info, err := os.Stat(ballast)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(ballast, (info.Size()/int64(page)-int64(free))*int64(page)))

		dir := filepath.Join(disk, "spool")
		s, err := spool.Open(spool.Config{Dir: dir})
		require.NoError(t, err)
		err = s.Put(t.Context(), []agent.Batch{batch("a", 0, 10)})
		left := copyDir(t, dir) // what a kill leaves
		require.NoError(t, s.Close(t.Context()))
		require.NoError(t, os.RemoveAll(dir))
		if err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			refused++
			continue
		}
		accepted++
		require.NoError(t, os.Truncate(segments(t, left)[0], 0))
		s, err = spool.Open(spool.Config{Dir: left})
		require.NoError(t, err)
		require.Equal(t, []agent.Loss{{Namespace: "a", Reason: spool.DroppedDamaged, Points: 10}}, s.Losses(), "%d free pages", free)
		require.NoError(t, s.Close(t.Context()))
	}
	require.NotZero(t, refused)
	require.NotZero(t, accepted)
}
