package spool_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent"
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

func open(t testing.TB, c spool.Config, inner agent.Output) *spool.Spool {
	t.Helper()
	s, err := spool.Open(c, inner)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func write(t testing.TB, s *spool.Spool, b agent.Batch) {
	t.Helper()
	require.NoError(t, s.Write(context.Background(), b))
}

// requireBalance checks what must be true at every moment.
func requireBalance(t testing.TB, accounts map[string]agent.Account) {
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
