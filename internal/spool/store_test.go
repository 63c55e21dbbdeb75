package spool_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/spool"
)

// openStore opens a spool that nothing fills or empties but the test.
func openStore(t *testing.T, c spool.Config) *spool.Spool {
	t.Helper()
	s, err := spool.Open(c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

func put(t *testing.T, s *spool.Spool, batches ...agent.Batch) {
	t.Helper()
	require.NoError(t, s.Put(t.Context(), batches))
}

func next(t *testing.T, s *spool.Spool) []agent.Batch {
	t.Helper()
	batches, err := s.Next(t.Context())
	require.NoError(t, err)
	return batches
}

// drained takes all that is left, and returns the namespaces in their order.
func drained(t *testing.T, s *spool.Spool) (namespaces []string) {
	t.Helper()
	for {
		batches := next(t, s)
		if batches == nil {
			return namespaces
		}
		for _, b := range batches {
			namespaces = append(namespaces, b.Namespace)
		}
		require.NoError(t, s.Done(t.Context(), nil))
	}
}

// large is a batch whose block is a little more than a quarter of a piece.
func large(namespace string) agent.Batch {
	return agent.Batch{Namespace: namespace, Metrics: []agent.Metric{{Name: "m", Value: strings.Repeat("x", 66_000)}}}
}

func TestSegmentIsKeptUntilItsLastBlockIsDone(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, spool.Config{Dir: dir})
	for _, namespace := range []string{"a", "b", "c", "d", "e"} {
		put(t, s, large(namespace))
	}
	require.Len(t, next(t, s), 4, "a piece")
	require.NoError(t, s.Done(t.Context(), nil))
	require.EqualValues(t, 1, s.Inspect().Points)

	afterKill := openStore(t, spool.Config{Dir: copyDir(t, dir)})
	require.Equal(t, []string{"e"}, drained(t, afterKill), "how far it was done had been saved")
	require.Equal(t, []string{"e"}, drained(t, s))
	require.Empty(t, s.Losses())
	require.Empty(t, segments(t, dir))
}

func TestSmallerLimitHoldsFromTheStart(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, spool.Config{Dir: dir, MaxSize: 8 << 20})
	for range 60 {
		put(t, s, large("a"))
	}
	require.Greater(t, dirSize(t, dir), int64(2<<20))
	kept := int(s.Inspect().Points)
	require.NoError(t, s.Close(t.Context()))

	s = openStore(t, spool.Config{Dir: dir, MaxSize: 2 << 20})
	require.LessOrEqual(t, dirSize(t, dir), int64(2<<20))
	lost := 0
	for _, loss := range s.Losses() {
		require.Equal(t, spool.DroppedFull, loss.Reason)
		lost += loss.Points
	}
	require.Positive(t, lost)
	require.Len(t, drained(t, s), kept-lost)
}

func TestWhatIsPutAfterTheClockWasSetBackComesLast(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, spool.Config{Dir: dir})
	put(t, s, batch("a", 0, 1))
	require.NoError(t, s.Close(t.Context()))
	path := segments(t, dir)[0]
	later := filepath.Join(dir, "7fffffffffffff00")
	require.NoError(t, os.Rename(path, later+".db"))
	require.NoError(t, os.Rename(strings.TrimSuffix(path, ".db")+".sum", later+".sum"))

	s = openStore(t, spool.Config{Dir: dir})
	put(t, s, batch("b", 0, 1))
	require.NoError(t, s.Close(t.Context()))
	s = openStore(t, spool.Config{Dir: dir})
	require.Equal(t, []string{"a", "b"}, drained(t, s))
}

func TestFileThatNothingWasWrittenToIsRemoved(t *testing.T) {
	for name, content := range map[string][]byte{"empty": nil, "database": emptyDatabase(t)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "18a3f0c2d4e5b6a7.db"), content, 0o600))
			s := openStore(t, spool.Config{Dir: dir})
			require.Empty(t, segments(t, dir))
			require.Empty(t, s.Losses())
			require.Empty(t, s.Inspect().Problems)
		})
	}
}

func TestFileThatWasReplacedIsNotWrittenTo(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, spool.Config{Dir: dir})
	put(t, s, batch("a", 0, 1))
	path := segments(t, dir)[0]
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".restored", data, 0o600))
	require.NoError(t, os.Rename(path+".restored", path))
	put(t, s, batch("b", 0, 1))
	require.NoError(t, s.Close(t.Context()))
	s = openStore(t, spool.Config{Dir: dir})
	require.Equal(t, []string{"a", "b"}, drained(t, s))
}

func TestDamageBehindAPieceIsOverWithIt(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, spool.Config{Dir: dir})
	put(t, s, batch("a", 0, 3))
	require.Len(t, next(t, s), 1)
	put(t, s, batch("b", 0, 5))
	path := segments(t, dir)[1]
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	clear(data[2*os.Getpagesize():])
	require.NoError(t, os.WriteFile(path, data, 0o600))

	require.Nil(t, next(t, s))
	require.NoError(t, s.Done(t.Context(), nil))
	require.Equal(t, []agent.Loss{{Namespace: "b", Reason: spool.DroppedDamaged, Points: 5}}, s.Losses())
	damages := s.Damages()
	require.Len(t, damages, 1)
	require.EqualValues(t, 5, damages[0].Points)
	require.Contains(t, s.Inspect().Problems[0], "the file is set aside as "+damages[0].File)
	require.Error(t, s.Done(t.Context(), nil), "nothing is in hand")
}

func TestWhatIsPutBackKeepsItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, spool.Config{Dir: t.TempDir(), MaxAge: time.Hour})
		put(t, s, batch("a", 0, 3))
		time.Sleep(50 * time.Minute)
		rest := next(t, s)
		require.NoError(t, s.Done(t.Context(), rest))
		time.Sleep(11 * time.Minute)
		require.Nil(t, next(t, s))
		require.Equal(t, []agent.Loss{{Namespace: "a", Reason: spool.DroppedAge, Points: 3}}, s.Losses())
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestFailedWriteIsAProblemForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, spool.Config{Dir: t.TempDir(), MaxSize: 1 << 20})
		require.Error(t, s.Put(t.Context(), []agent.Batch{batch("a", 0, 100_000)}))
		require.Contains(t, strings.Join(s.Inspect().Problems, ""), "points cannot be written to disk")
		time.Sleep(24 * time.Hour)
		require.Empty(t, s.Inspect().Problems, "nobody has written since")
		require.NoError(t, s.Close(t.Context()))
		require.ErrorIs(t, s.Put(t.Context(), nil), spool.ErrClosed)
	})
}
