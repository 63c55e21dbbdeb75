package spool_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/spool"
)

// In a bubble it is the year 2000: going in and out, the clock jumps by decades
// between two runs of the agent.

func TestAClockSetBackLosesNothing(t *testing.T) {
	dir := t.TempDir()
	inner := &fakeOutput{}
	inner.set(away)
	keep(t, dir, inner)

	synctest.Test(t, func(t *testing.T) {
		inner := &fakeOutput{}
		s := open(t, spool.Config{Dir: dir}, inner)
		eventually(t, func() bool { return s.waiting() == 0 }, "drained")
		require.Equal(t, delivery.Account{Accepted: 3, Delivered: 3}, s.Accounts()["a"])
		require.Equal(t, 3, inner.points("a"))
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestAClockSetFarForwardExpiresPointsAndCountsThem(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeOutput{}
		inner.set(away)
		keep(t, dir, inner)
	})

	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: dir}, inner)
	eventually(t, func() bool { return s.waiting() == 0 }, "expired")
	require.Equal(t, delivery.Account{Accepted: 3, Dropped: map[string]int64{spool.DroppedAge: 3}}, s.Accounts()["a"])
}

// keep writes three points that stay on disk.
func keep(t *testing.T, dir string, away *fakeOutput) {
	t.Helper()
	s := open(t, spool.Config{Dir: dir}, away)
	write(t, s, batch("a", 0, 3))
	require.NoError(t, s.Close(t.Context()))
}
