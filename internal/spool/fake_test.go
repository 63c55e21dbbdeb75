package spool_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/spool"
)

var errAway = errors.New("nobody listens")

// fakeOutput is an output with knobs. Points are told apart by their
// timestamps.
type fakeOutput struct {
	mu     sync.Mutex
	answer func(ctx context.Context, b agent.Batch) error // nil takes everything
	writes []agent.Batch
	seen   map[string]map[int64]int
	closed int
}

func (o *fakeOutput) Write(ctx context.Context, b agent.Batch) error {
	o.mu.Lock()
	answer := o.answer
	o.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, b); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes = append(o.writes, b)
	if o.seen == nil {
		o.seen = map[string]map[int64]int{}
	}
	if o.seen[b.Namespace] == nil {
		o.seen[b.Namespace] = map[int64]int{}
	}
	for _, m := range b.Metrics {
		o.seen[b.Namespace][m.Timestamp]++
	}
	return nil
}

func (o *fakeOutput) Close(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed++
	return nil
}

func (o *fakeOutput) set(answer func(ctx context.Context, b agent.Batch) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = answer
}

func (o *fakeOutput) points(namespace string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.seen[namespace])
}

func (o *fakeOutput) written() []agent.Batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]agent.Batch(nil), o.writes...)
}

// gatedOutput is away while the gate is shut.
type gatedOutput struct {
	agent.Output
	shut atomic.Bool
}

func (o *gatedOutput) Write(ctx context.Context, b agent.Batch) error {
	if o.shut.Load() {
		return errAway
	}
	return o.Output.Write(ctx, b)
}

// discard takes everything and remembers nothing.
type discard struct{}

func (discard) Write(context.Context, agent.Batch) error { return nil }
func (discard) Close(context.Context) error              { return nil }

func away(context.Context, agent.Batch) error { return errAway }

func hung(ctx context.Context, _ agent.Batch) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// batch has n points with the timestamps from first on, which are also their
// values.
func batch(namespace string, first, n int) agent.Batch {
	b := agent.Batch{Namespace: namespace}
	tags := map[string]string{"host": "h1", "core": "0"}
	for i := range n {
		b.Metrics = append(b.Metrics, agent.Metric{Name: "cpu.idle", Timestamp: int64(first + i), Tags: tags, Value: float64(first + i)})
	}
	return b
}

// journey is a spool with the engine that fills and empties it, as in an agent.
type journey struct {
	*delivery.Engine[agent.Metric]
	spool *spool.Spool
	inner agent.Output
}

// open starts an engine that writes to inner, with the spool of the config.
func open(t testing.TB, c spool.Config, inner agent.Output) *journey {
	t.Helper()
	j, err := start(c, inner)
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	return j
}

func start(c spool.Config, inner agent.Output) (*journey, error) {
	s, err := spool.Open(c)
	if err != nil {
		return nil, err
	}
	engine := delivery.New(delivery.Config[agent.Metric]{
		Output: func(ctx context.Context, b delivery.Batch[agent.Metric]) error {
			err := inner.Write(ctx, agent.Batch{Namespace: b.Namespace, Metrics: b.Points})
			var permanent *agent.PermanentError
			if errors.As(err, &permanent) {
				return &delivery.Refusal{Reason: cmp.Or(permanent.Reason, "refused"), Points: permanent.Points, Indexes: permanent.Indexes, Err: err}
			}
			return err
		},
		Store:      engineStore{s},
		BufferSize: 1000,
		Logger:     slog.New(slog.DiscardHandler),
	})
	engine.Start()
	return &journey{engine, s, inner}, nil
}

func (j *journey) Write(ctx context.Context, b agent.Batch) error {
	return j.Engine.Write(ctx, delivery.Batch[agent.Metric]{Namespace: b.Namespace, Points: b.Metrics})
}

func (j *journey) Close(ctx context.Context) error {
	return errors.Join(j.Engine.StopWrites(ctx), j.Engine.Close(ctx), j.inner.Close(ctx))
}

func (j *journey) Accounts() map[string]delivery.Account {
	accounts, _ := j.Engine.Accounts()
	return accounts
}

// waiting returns how many points wait, in memory and on disk.
func (j *journey) waiting() int64 {
	_, total := j.Engine.Accounts()
	return total.Waiting
}

// down returns why the output takes nothing.
func (j *journey) down() string {
	if err := j.Down(); err != nil {
		return err.Error()
	}
	return ""
}

// engineStore is the spool as the engine sees it.
type engineStore struct{ *spool.Spool }

func (s engineStore) Waiting(context.Context) (map[string]int64, error) {
	return s.Spool.Waiting(), nil
}

func (s engineStore) Put(ctx context.Context, batches []delivery.Batch[agent.Metric]) error {
	return s.Spool.Put(ctx, fromEngine(batches))
}

func (s engineStore) Next(ctx context.Context) (batches []delivery.Batch[agent.Metric], err error) {
	list, err := s.Spool.Next(ctx)
	for _, b := range list {
		batches = append(batches, delivery.Batch[agent.Metric]{Namespace: b.Namespace, Points: b.Metrics})
	}
	return batches, err
}

func (s engineStore) Done(ctx context.Context, rest []delivery.Batch[agent.Metric]) error {
	return s.Spool.Done(ctx, fromEngine(rest))
}

func (s engineStore) Losses() (losses []delivery.Loss) {
	for _, loss := range s.Spool.Losses() {
		losses = append(losses, delivery.Loss(loss))
	}
	return losses
}

func fromEngine(batches []delivery.Batch[agent.Metric]) (list []agent.Batch) {
	for _, b := range batches {
		list = append(list, agent.Batch{Namespace: b.Namespace, Metrics: b.Points})
	}
	return list
}

func write(t testing.TB, s *journey, b agent.Batch) {
	t.Helper()
	require.NoError(t, s.Write(context.Background(), b))
}

// requireBalance checks that the accounts balance.
func requireBalance(t testing.TB, accounts map[string]delivery.Account) {
	t.Helper()
	for namespace, a := range accounts {
		sum := a.Delivered + a.Waiting
		for _, n := range a.Dropped {
			sum += n
		}
		require.Equal(t, a.Accepted, sum, fmt.Sprintf("account of %s: %+v", namespace, a))
		require.GreaterOrEqual(t, a.Waiting, int64(0), namespace)
	}
}

func eventually(t testing.TB, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, 5*time.Millisecond, what)
}

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	goleak.VerifyTestMain(m)
}
