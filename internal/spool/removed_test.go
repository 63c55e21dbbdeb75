package spool_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/spool"
)

func TestDirectoryThatIsRemovedIsMadeAnewAndItsPointsAreCounted(t *testing.T) {
	remove := map[string]func(t *testing.T, dir string){
		"removed": removeAll,
		"moved away": func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, dir+".old"))
		},
		"emptied": func(t *testing.T, dir string) {
			removeAll(t, dir)
			require.NoError(t, os.Mkdir(dir, 0o700))
		},
		"without its segments": func(t *testing.T, dir string) {
			for _, path := range segments(t, dir) {
				require.NoError(t, os.Remove(path))
			}
		},
	}
	for name, remove := range remove {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			inner := &fakeOutput{}
			inner.set(away)
			s := open(t, spool.Config{Dir: dir}, inner)
			for i := range 10 {
				write(t, s, batch("a", i*10, 10))
			}
			remove(t, dir)
			for i := range 10 {
				write(t, s, batch("b", i*10, 10))
			}
			_, err := spool.Open(spool.Config{Dir: dir})
			require.ErrorContains(t, err, "is in use by process", "the new directory has its owner")

			inner.set(nil)
			eventually(t, func() bool { return s.waiting() == 0 }, "drained")
			accounts := s.Accounts()
			requireBalance(t, accounts)
			require.Equal(t, delivery.Account{Accepted: 100, Delivered: 100}, accounts["b"], "what was answered after it is not lost")
			require.EqualValues(t, 100, accounts["a"].Accepted)
			require.EqualValues(t, inner.points("a"), accounts["a"].Delivered)
			lost := accounts["a"].Dropped[spool.DroppedDamaged]
			require.Equal(t, 100-accounts["a"].Delivered, lost)
			if lost > 0 { // an open file that the drainer was reading loses nothing
				require.Contains(t, strings.Join(s.spool.Inspect().Problems, "\n"), "points on disk")
			}
		})
	}
}

// removeAll removes a directory in which the spool may be making a file.
func removeAll(t *testing.T, dir string) {
	eventually(t, func() bool { return os.RemoveAll(dir) == nil }, "removed")
}

func TestDirectoryThatIsRemovedIsNoticedWithoutAWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: dir}, inner)
	write(t, s, batch("a", 0, 10))
	removeAll(t, dir)
	eventually(t, func() bool { return s.waiting() == 0 }, "counted as lost")
	require.Equal(t, delivery.Account{Accepted: 10, Dropped: map[string]int64{spool.DroppedDamaged: 10}}, s.Accounts()["a"])
}

// TestEveryRemovalIsToldWithAllItsPoints removes the directory again and again
// while the drainer has points of it in hand, which are lost later than others.
func TestEveryRemovalIsToldWithAllItsPoints(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	inner := &fakeOutput{}
	inner.set(away)
	said := &logged{}
	s := open(t, spool.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(said, nil))}, inner)
	for range 3 {
		for i := range 10 {
			write(t, s, batch("a", i*10, 10))
		}
		removeAll(t, dir)
		write(t, s, batch("b", 0, 1))
	}
	removeAll(t, dir)
	eventually(t, func() bool { return s.waiting() == 0 }, "counted as lost")
	lost := s.Accounts()["a"].Dropped[spool.DroppedDamaged] + s.Accounts()["b"].Dropped[spool.DroppedDamaged]
	require.EqualValues(t, 303, lost)
	require.Equal(t, lost, said.sum("points_lost"), "what the log says")
	problems := s.spool.Inspect().Problems
	require.Len(t, problems, 1, "however often it happened")
	require.Contains(t, problems[0], "303 are lost")
}

// logged keeps the lines of a log.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

// sum adds up the numbers of an attribute.
func (l *logged) sum(key string) (sum int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if _, after, found := strings.Cut(line, " "+key+"="); found {
			n, _ := strconv.ParseInt(strings.TrimRight(strings.Fields(after)[0], "\n"), 10, 64)
			sum += n
		}
	}
	return sum
}
