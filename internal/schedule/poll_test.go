package schedule_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/schedule"
)

var (
	errAway       = errors.New("away")
	errNotRunning = errors.New("not running")
	errStopped    = errors.New("stopped")
)

// poll starts a poll of ask every ten minutes, and returns when ask was called
// within the time, as time since the start.
func poll(t *testing.T, ask func(ctx context.Context) (time.Duration, error), during time.Duration) (asked []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := schedule.Poll{Interval: 10 * time.Minute, NotRunning: errNotRunning, Stopped: errStopped, Ask: func(ctx context.Context) (time.Duration, error) {
			asked = append(asked, time.Since(began))
			return ask(ctx)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), during)
		defer cancel()
		p.Start(ctx)
		<-ctx.Done()
		require.NoError(t, p.Wait(t.Context()))
	})
	return asked
}

func TestPollAsksAtOnceThenAfterARandomPartOfTheIntervalThenAtEachInterval(t *testing.T) {
	asked := poll(t, func(context.Context) (time.Duration, error) { return 0, nil }, time.Hour)
	require.Zero(t, asked[0])
	require.Less(t, asked[1], 10*time.Minute)
	for i := 2; i < len(asked); i++ {
		require.Equal(t, 10*time.Minute, asked[i]-asked[i-1])
	}
	require.GreaterOrEqual(t, len(asked), 6)
}

func TestPollAsksSoonerAfterAnError(t *testing.T) {
	asked := poll(t, func(context.Context) (time.Duration, error) { return 0, errAway }, time.Hour)
	require.LessOrEqual(t, asked[1], time.Second)
	require.Greater(t, len(asked), 60, "a minute at most passes between two")
	asked = poll(t, func(context.Context) (time.Duration, error) { return 90 * time.Second, errAway }, 5*time.Minute)
	require.Equal(t, []time.Duration{0, 90 * time.Second, 180 * time.Second, 270 * time.Second}, asked)
}

func TestPollAsksSoonWhenItIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked []time.Duration
		p := schedule.Poll{Interval: 24 * time.Hour, Ask: func(context.Context) (time.Duration, error) {
			asked = append(asked, time.Since(began))
			time.Sleep(time.Second)
			return time.Minute, errAway
		}}
		p.Soon() // before the start: the first question comes at once anyway
		ctx, cancel := context.WithCancel(t.Context())
		p.Start(ctx)
		time.Sleep(10 * time.Second)
		p.Soon()
		p.Soon()
		time.Sleep(500 * time.Millisecond)
		p.Soon() // the question under way began before it
		time.Sleep(time.Minute)
		cancel()
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, []time.Duration{0, time.Second, 10 * time.Second, 11 * time.Second}, asked[:4])
		require.Len(t, asked, 4, "the next one comes a minute after the failure")
	})
}

func TestCallersOfNowShareAnAnswerThatIsNotOlderThanTheirCallAndMayGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Time
		p := schedule.Poll{Interval: time.Hour, NotRunning: errNotRunning, Stopped: errStopped, Ask: func(ctx context.Context) (time.Duration, error) {
			asked = append(asked, time.Now())
			select {
			case <-time.After(time.Second):
				return 0, errAway
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}}
		require.Equal(t, errNotRunning, p.Now(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		p.Start(ctx)
		synctest.Wait()
		impatient, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		require.Equal(t, context.DeadlineExceeded, p.Now(impatient))
		called := time.Now()
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() { require.Equal(t, errAway, p.Now(t.Context())) })
		}
		callers.Wait()
		require.Len(t, asked, 2, "the one of the start, and one for all who came while that was under way")
		require.True(t, asked[1].After(called))
		ended := make(chan error, 1)
		go func() { ended <- p.Now(t.Context()) }()
		go func() { ended <- p.Now(t.Context()) }()
		synctest.Wait()
		cancel()
		require.NoError(t, p.Wait(t.Context()))
		for range 2 {
			require.Error(t, <-ended)
		}
		require.Equal(t, errStopped, p.Now(t.Context()))
	})
}

func TestPollTakesAnotherIntervalAtOnce(t *testing.T) {
	for _, c := range []struct {
		interval        time.Duration
		atLeast, atMost int // calls within three quarters of the hour that was the interval
	}{{time.Minute, 44, 46}, {10 * time.Hour, 0, 1}} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			p := schedule.Poll{Interval: time.Hour, NotRunning: errNotRunning, Stopped: errStopped, Ask: func(context.Context) (time.Duration, error) {
				asked++
				return 0, nil
			}}
			ctx, cancel := context.WithCancel(t.Context())
			p.Start(ctx)
			synctest.Wait()
			asked = 0
			p.SetInterval(c.interval)
			time.Sleep(45 * time.Minute)
			cancel()
			require.NoError(t, p.Wait(t.Context()))
			require.GreaterOrEqual(t, asked, c.atLeast)
			require.LessOrEqual(t, asked, c.atMost)
		})
	}
}
