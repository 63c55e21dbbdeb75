package plugins

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/audit"
	"github.com/lodastack/agent/internal/pluginoutput"
)

var (
	errRunning = errors.New("it runs")
	errStopped = errors.New("stopped")
	errPolicy  = errors.New("refused by the policy")
)

// hangingRunner installs every plugin, and runs each until ctx ends.
type hangingRunner struct{ installing error }

func (r *hangingRunner) Install(context.Context, Plugin) error { return r.installing }
func (*hangingRunner) Update(context.Context, Plugin) error    { return nil }
func (*hangingRunner) Rollback(context.Context, Plugin) error  { return nil }
func (*hangingRunner) Remove(context.Context, Plugin) error    { return nil }
func (*hangingRunner) Inspect(Plugin) Release                  { return Release{} }

func (*hangingRunner) Run(ctx context.Context, _ Plugin, _ []string) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*hangingRunner) RunDaemon(ctx context.Context, _ Plugin, _ []string, _ func([]byte) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// results has what was reported.
type results []string

func (*results) Send(Plugin, pluginoutput.Print) (int, Bad, error) { return 0, Bad{}, nil }
func (*results) SendLines(context.Context, Plugin, pluginoutput.Print) Bad {
	return Bad{}
}
func (r *results) Report(_ Plugin, kind, result string) { *r = append(*r, kind+" "+result) }

// failure is the error of a run.
type failure struct {
	result string
	error
}

func (f *failure) Unwrap() error { return f.error }

// withSet runs f with a set that has the runner, in a bubble in which hours take no time.
func withSet(t *testing.T, runner *hangingRunner, f func(t *testing.T, s *Set, reported *results)) {
	synctest.Test(t, func(t *testing.T) {
		var reported results
		logger := slog.New(slog.DiscardHandler)
		s := New(Config{
			Runner: runner, Output: &reported, Logger: logger, Audit: audit.Log{Logger: logger},
			Errors: Errors{
				Running: errRunning, RunAgain: errors.New("again"), NoEarlier: errors.New("none"),
				NotRunning: errors.New("not running"), Stopped: errStopped,
				Failed: func(result string, err error) error { return &failure{result, err} },
				Outcome: func(err error) (string, int) {
					var failed *failure
					if errors.As(err, &failed) {
						return failed.result, 0
					}
					return "", 0
				},
				Refused: func(err error) bool { return errors.Is(err, errPolicy) },
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		s.Start(ctx)
		f(t, s, &reported)
		cancel()
		require.NoError(t, s.Wait(t.Context()))
	})
}

func TestPluginThatIsNotAssignedAnyMoreIsForgottenOnceItsLastRunHasEnded(t *testing.T) {
	withSet(t, new(hangingRunner), func(t *testing.T, s *Set, _ *results) {
		keys := func() int {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.turns)
		}
		mysql := []Plugin{{Namespace: "web", Name: "PLUGIN.mysql", Repo: "org/mysql"}}
		s.Assign(mysql)
		called := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		first := s.Find("web", "org/mysql")
		go func() {
			_, err := first.Run(ctx, nil)
			called <- err
		}()
		require.Equal(t, 1, keys())
		s.Assign(nil)
		s.Assign(mysql)
		synctest.Wait()
		_, err := s.Find("web", "org/mysql").Run(t.Context(), nil)
		require.ErrorIs(t, err, errRunning, "it runs still, although it is assigned anew")
		s.Assign(nil)
		require.Equal(t, 1, keys())
		cancel()
		require.ErrorIs(t, <-called, context.Canceled)
		require.Zero(t, keys())
	})
}

func TestPluginThatThePolicyRefusesIsNotStartedAndRarelyTriedAgain(t *testing.T) {
	runner := &hangingRunner{installing: errPolicy}
	withSet(t, runner, func(t *testing.T, s *Set, reported *results) {
		s.Assign([]Plugin{{Namespace: "web", Name: "PLUGIN.mysql", Repo: "org/mysql"}})
		result, err := s.Find("web", "org/mysql").Run(t.Context(), nil)
		require.ErrorIs(t, err, errPolicy)
		require.Equal(t, Refused, result.Result)
		require.Equal(t, results{"call policy"}, *reported)
		runner.installing = nil
		time.Sleep(longestRetryPause / 2)
		synctest.Wait()
		require.False(t, s.List()[0].Installed)
		time.Sleep(longestRetryPause)
		synctest.Wait()
		require.True(t, s.List()[0].Installed)
	})
}

func TestCallsAfterWaitAreRefused(t *testing.T) {
	withSet(t, new(hangingRunner), func(t *testing.T, s *Set, _ *results) {
		s.Assign([]Plugin{{Namespace: "web", Name: "PLUGIN.mysql", Repo: "org/mysql"}})
		require.NoError(t, s.Wait(t.Context()))
		p := s.Find("web", "org/mysql")
		require.ErrorIs(t, p.Update(t.Context()), errStopped)
		_, err := p.Run(t.Context(), nil)
		require.ErrorIs(t, err, errStopped)
		require.Nil(t, s.Find("web", "other/mysql"), "a plugin from another repository is another plugin")
	})
}
