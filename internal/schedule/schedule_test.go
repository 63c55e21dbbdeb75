package schedule_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/schedule"
)

// starts runs a job for some time and returns when it started, as time since it
// was scheduled.
func starts(t *testing.T, job schedule.Job, during time.Duration) (list []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		run := job.Run
		job.Run = func(ctx context.Context) {
			list = append(list, time.Since(began))
			if run != nil {
				run(ctx)
			}
		}
		s := schedule.New(ctx)
		s.Set(map[string]schedule.Job{"job": job})
		time.Sleep(during)
		cancel()
		require.NoError(t, s.Wait(t.Context()))
	})
	return list
}

func TestJobStartsAtItsPhaseOfEveryInterval(t *testing.T) {
	const s = time.Second
	for name, test := range map[string]struct {
		job  schedule.Job
		want []time.Duration
	}{
		"at a phase": {
			schedule.Job{Interval: 10 * s, Phase: 3 * s},
			[]time.Duration{3 * s, 13 * s, 23 * s},
		},
		"at once too": {
			schedule.Job{Interval: 10 * s, Phase: 6 * s, AtOnce: true},
			[]time.Duration{0, 6 * s, 16 * s, 26 * s},
		},
		"not again sooner than half an interval after that": {
			schedule.Job{Interval: 10 * s, Phase: 4 * s, AtOnce: true},
			[]time.Duration{0, 14 * s, 24 * s},
		},
		"starts that a run covers are left out": {
			schedule.Job{Interval: 10 * s, Run: func(context.Context) { time.Sleep(15 * s) }},
			[]time.Duration{0, 20 * s},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, starts(t, test.job, 28*s))
		})
	}
}

func TestJobWhoseTimesChangeNeverOverlapsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := schedule.New(ctx)
		var running, runs atomic.Int32
		job := schedule.Job{Interval: 10 * time.Second, Run: func(context.Context) {
			assert.EqualValues(t, 1, running.Add(1))
			time.Sleep(25 * time.Second)
			running.Add(-1)
			runs.Add(1)
		}}
		s.Set(map[string]schedule.Job{"job": job})
		time.Sleep(time.Second)
		job.Interval = time.Second
		s.Set(map[string]schedule.Job{"job": job})
		time.Sleep(time.Minute)
		require.GreaterOrEqual(t, runs.Load(), int32(2))
		s.Set(nil)
		runs.Store(0)
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, runs.Load(), "the run under way ends, no other begins")
	})
}

func TestUnchangedJobIsNotDisturbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := schedule.New(ctx)
		var runs atomic.Int32
		job := schedule.Job{Interval: 10 * time.Second, Phase: 2500 * time.Millisecond, AtOnce: true, Run: func(context.Context) { runs.Add(1) }}
		for range 60 {
			s.Set(map[string]schedule.Job{"job": job})
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 6, runs.Load(), "at once, and at 12.5, 22.5 … 52.5 s")
	})
}

func TestPhasesAreSpreadAndStay(t *testing.T) {
	quarters := make(map[time.Duration]int)
	for i := range 400 {
		phase := schedule.PhaseOf(time.Minute, "host", string(rune(i)))
		require.Equal(t, phase, schedule.PhaseOf(time.Minute, "host", string(rune(i))))
		require.Less(t, phase, time.Minute)
		quarters[phase/(15*time.Second)]++
	}
	for quarter := range time.Duration(4) {
		require.InDelta(t, 100, quarters[quarter], 40)
	}
}

func TestWaitGivesUpWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := schedule.New(ctx)
		release := make(chan struct{})
		s.Set(map[string]schedule.Job{"deaf": {Interval: time.Second, Run: func(context.Context) { <-release }}})
		time.Sleep(time.Second)
		cancel()
		waiting, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		require.ErrorIs(t, s.Wait(waiting), context.DeadlineExceeded)
		close(release)
		require.NoError(t, s.Wait(t.Context()))
	})
}

func TestSlotsBoundHowManyHoldOne(t *testing.T) {
	slots := make(schedule.Slots, 1)
	require.True(t, slots.Take(t.Context()))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, slots.Take(ended))
	slots.Give()
	require.True(t, slots.Take(t.Context()))
}

func TestJobsWhoseTimersDoNotFireAreOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := schedule.New(ctx)
		proceed := make(chan struct{})
		s.Set(map[string]schedule.Job{
			"quick": {Interval: time.Minute, Run: func(context.Context) {}},
			"long":  {Interval: time.Minute, AtOnce: true, Run: func(context.Context) { <-proceed }},
		})
		time.Sleep(time.Hour)
		require.Empty(t, s.Overdue(0), "a job that runs is not overdue")
		require.Equal(t, []string{"quick"}, s.Overdue(-2*time.Minute), "and quick waits for its next start")
		close(proceed)
		cancel()
		require.NoError(t, s.Wait(t.Context()))
		require.Empty(t, s.Overdue(-2*time.Minute), "none is when the schedule has ended")
	})
}
