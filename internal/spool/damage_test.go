package spool_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/spool"
)

const backlogPoints = 12_000

// backlog leaves a few segments with backlogPoints points of "a" in dir.
func backlog(t *testing.T, dir string) {
	inner := &fakeOutput{}
	inner.set(away)
	s, err := start(spool.Config{Dir: dir, MaxSize: 2 << 20}, inner)
	require.NoError(t, err)
	for i := range backlogPoints / 20 {
		write(t, s, batch("a", i*20, 20))
	}
	require.NoError(t, s.Close(context.Background()))
	require.Greater(t, len(segments(t, dir)), 3)
}

func segments(t *testing.T, dir string) []string {
	paths, err := filepath.Glob(filepath.Join(dir, "*.db"))
	require.NoError(t, err)
	return paths
}

func copyDir(t *testing.T, from string) string {
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// drainDamaged opens a spool, lets it drain, and checks that each point has arrived unchanged
// or is counted as damaged.
func drainDamaged(t *testing.T, dir string) (damages []spool.Damage, delivered, lost int64) {
	inner := &fakeOutput{}
	s, err := start(spool.Config{Dir: dir, MaxSize: 2 << 20}, inner)
	require.NoError(t, err)
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	require.NoError(t, s.Close(context.Background()))
	accounts := s.Accounts()
	requireBalance(t, accounts)
	for _, b := range inner.written() {
		require.Equal(t, "a", b.Namespace)
		for _, m := range b.Metrics {
			require.Equal(t, batch("a", int(m.Timestamp), 1).Metrics[0], m)
			require.Less(t, m.Timestamp, int64(backlogPoints))
		}
	}
	require.Equal(t, int64(inner.points("a")), accounts["a"].Delivered)
	require.Empty(t, segments(t, dir))
	return s.spool.Damages(), accounts["a"].Delivered, accounts["a"].Dropped[spool.DroppedDamaged]
}

// TestDamageIsNeverDeliveredAndNeverInTheWay breaks one file of the backlog
// in many ways.
func TestDamageIsNeverDeliveredAndNeverInTheWay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	whole := t.TempDir()
	backlog(t, whole)
	flip := func(n int) func(*rand.Rand, []byte) []byte {
		return func(r *rand.Rand, data []byte) []byte {
			for range n {
				data[r.IntN(len(data))] ^= 1 << r.IntN(8)
			}
			return data
		}
	}
	cases := map[string]func(r *rand.Rand, data []byte) []byte{
		"one bit":      flip(1),
		"hundred bits": flip(100),
		"meta pages": func(r *rand.Rand, data []byte) []byte {
			copy(data, make([]byte, 2*os.Getpagesize()))
			return data
		},
		"page heads": func(r *rand.Rand, data []byte) []byte {
			for range 3 {
				head := r.IntN(len(data)/4096) * 4096
				data[head+r.IntN(64)] = byte(r.Uint32())
			}
			return data
		},
		"lost page": func(r *rand.Rand, data []byte) []byte {
			clear(data[r.IntN(len(data)/4096)*4096:][:4096])
			return data
		},
		"shortened": func(r *rand.Rand, data []byte) []byte { return data[:r.IntN(len(data))] },
		"garbage": func(r *rand.Rand, data []byte) []byte {
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			return data
		},
		"empty": func(*rand.Rand, []byte) []byte { return nil },
	}
	rounds := 6
	if testing.Short() {
		rounds = 3
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			for i := range rounds {
				r := rand.New(rand.NewPCG(1, uint64(i)))
				dir := copyDir(t, whole)
				files := segments(t, dir)
				path := files[r.IntN(len(files))]
				data, err := os.ReadFile(path)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(path, damage(r, data), 0o600))
				withSummary := i%2 == 0
				if !withSummary {
					_ = os.Remove(strings.TrimSuffix(path, ".db") + ".sum")
				}
				damages, delivered, lost := drainDamaged(t, dir)
				if withSummary {
					require.Equal(t, int64(backlogPoints), delivered+lost)
				}
				if lost > 0 {
					require.NotEmpty(t, damages)
					require.Equal(t, lost, damages[0].Points)
					require.FileExists(t, damages[0].File)
				}
			}
		})
	}
}

func TestDamagedPageCostsOnlyItsOwnBlocks(t *testing.T) {
	dir := t.TempDir()
	backlog(t, dir)
	path := segments(t, dir)[0]
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	clear(data[len(data)/2/4096*4096:][:4096])
	require.NoError(t, os.WriteFile(path, data, 0o600))
	_, _, lost := drainDamaged(t, dir)
	require.Less(t, lost, int64(1000))
}

func TestPointsOfAFileThatCannotBeOpenedAreCounted(t *testing.T) {
	dir := t.TempDir()
	backlog(t, dir)
	require.NoError(t, os.WriteFile(segments(t, dir)[0], []byte("no database"), 0o600))
	damages, _, lost := drainDamaged(t, dir)
	require.NotZero(t, lost)
	require.Len(t, damages, 1)
	require.Contains(t, damages[0].File, ".damaged-")
	require.NotEmpty(t, damages[0].Reason)
}

func TestOnlyAFewDamagedFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	backlog(t, dir)
	for _, path := range segments(t, dir) {
		require.NoError(t, os.WriteFile(path, []byte("no database"), 0o600))
	}
	_, _, lost := drainDamaged(t, dir)
	require.Equal(t, int64(backlogPoints), lost)
	kept, err := filepath.Glob(filepath.Join(dir, "*damaged*"))
	require.NoError(t, err)
	require.Len(t, kept, 3)
}

func TestWrongSummaryIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	backlog(t, dir)
	sums, err := filepath.Glob(filepath.Join(dir, "*.sum"))
	require.NoError(t, err)
	for _, path := range sums {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), `"next":1`, `"next":9`, 1)), 0o600))
	}
	_, _, lost := drainDamaged(t, dir)
	require.Zero(t, lost)
}

// TestDamageWhileRunning breaks files under an open spool.
func TestDamageWhileRunning(t *testing.T) {
	dir := t.TempDir()
	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: dir, MaxSize: 2 << 20}, inner)
	for i := range backlogPoints / 20 {
		write(t, s, batch("a", i*20, 20))
	}
	for _, path := range segments(t, dir) {
		require.NoError(t, os.Truncate(path, 20_000), "reading beyond the end is a bus error")
	}
	for i := range 100 {
		_ = s.Write(context.Background(), batch("b", i, 1))
	}
	inner.set(nil)
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	accounts := s.Accounts()
	requireBalance(t, accounts)
	require.NotZero(t, accounts["a"].Dropped[spool.DroppedDamaged])
	require.Equal(t, delivery.Account{Accepted: backlogPoints, Delivered: int64(inner.points("a")), Dropped: map[string]int64{spool.DroppedDamaged: backlogPoints - int64(inner.points("a"))}}, accounts["a"])
	require.NoError(t, s.Write(context.Background(), batch("b", 1000, 1)))
	require.WithinDuration(t, time.Now(), s.spool.Damages()[0].Time, time.Minute)
}

// emptyDatabase returns the file of a segment that nothing was written to.
func emptyDatabase(t *testing.T) []byte {
	path := filepath.Join(t.TempDir(), "empty.db")
	db, err := bolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// TestDamageToWhatAKillLeftIsCounted breaks the segment that was being written,
// which has not been sealed.
func TestDamageToWhatAKillLeftIsCounted(t *testing.T) {
	const points = 600
	inner := &fakeOutput{}
	inner.set(away)
	dir := t.TempDir()
	s := open(t, spool.Config{Dir: dir}, inner)
	for i := range points / 20 {
		write(t, s, batch("a", i*20, 20))
	}
	page := os.Getpagesize()
	noBlock := emptyDatabase(t)
	for name, breaks := range map[string]func(data []byte) []byte{
		"nothing":          func(data []byte) []byte { return data },
		"everything":       func([]byte) []byte { return nil },
		"all but a little": func(data []byte) []byte { return data[:100] },
		"the second half":  func(data []byte) []byte { return data[:len(data)/2] },
		"every block":      func([]byte) []byte { return noBlock },
		"one meta page":    func(data []byte) []byte { data[40] ^= 1; return data },
		"the other":        func(data []byte) []byte { data[page+40] ^= 1; return data },
		"all but the metas": func(data []byte) []byte {
			for i := 2 * page; i < len(data); i++ {
				data[i] ^= 0x55
			}
			return data
		},
	} {
		t.Run(name, func(t *testing.T) {
			left := copyDir(t, dir)
			all := segments(t, left)
			path := all[len(all)-1]
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, breaks(data), 0o600))
			damages, delivered, lost := drainDamaged(t, left)
			require.EqualValues(t, points, delivered+lost)
			if lost > 0 {
				require.Len(t, damages, 1)
				require.Equal(t, lost, damages[0].Points)
			}
		})
	}
}
