package backoff_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/backoff"
)

func TestWaitsDoubleUpToTheLongest(t *testing.T) {
	b := backoff.Backoff{First: 100 * time.Millisecond, Most: time.Second}
	for range 2 {
		for _, longest := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			wait := b.Next()
			require.GreaterOrEqual(t, wait, longest*time.Millisecond/2)
			require.LessOrEqual(t, wait, longest*time.Millisecond)
		}
		b.Reset()
	}
}

func TestWaitStaysTheLongestAfterManyFailures(t *testing.T) {
	b := backoff.Backoff{First: time.Hour, Most: 1000 * time.Hour}
	for range 200 {
		b.Next()
	}
	require.GreaterOrEqual(t, b.Next(), 500*time.Hour)
	require.LessOrEqual(t, b.Next(), 1000*time.Hour)
}

func TestZeroValueDoesNotWait(t *testing.T) {
	var b backoff.Backoff
	require.Zero(t, b.Next())
	require.Zero(t, b.Next())
}

func TestWaitsOfTwoHostsDiffer(t *testing.T) {
	waits := make(map[time.Duration]bool)
	for range 20 {
		b := backoff.Backoff{First: time.Hour, Most: time.Hour}
		waits[b.Next()] = true
	}
	require.Greater(t, len(waits), 15)
}

func TestPauseEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.True(t, backoff.Pause(t.Context(), time.Hour))
		require.Equal(t, time.Hour, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		require.False(t, backoff.Pause(ctx, time.Hour))
		require.Equal(t, time.Minute, time.Since(began))
		require.False(t, backoff.Pause(ctx, 0), "the context has ended already")
	})
}

func TestPausesToASecondEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, begins := range []time.Duration{0, 300 * time.Millisecond, 700 * time.Millisecond} {
			time.Sleep(begins)
			before := time.Now()
			pause := backoff.ToSecond(10 * time.Second)
			require.InDelta(t, 10, pause.Seconds(), 0.5)
			require.True(t, before.Add(pause).Equal(before.Add(pause).Truncate(time.Second)))
		}
	})
}
