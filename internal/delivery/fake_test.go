package delivery_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent/internal/delivery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("nobody listens")

type (
	batch = delivery.Batch[int]
	// answer is the answer of an output to a batch.
	answer func(ctx context.Context, b batch) error
)

func away(context.Context, batch) error { return errAway }

func hung(ctx context.Context, _ batch) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// slowly takes everything after a time.
func slowly(d time.Duration) answer {
	return func(ctx context.Context, _ batch) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// refuse refuses every batch that has the point, as a whole.
func refuse(point int) answer {
	return func(_ context.Context, b batch) error {
		if slices.Contains(b.Points, point) {
			return &delivery.Refusal{Reason: "bad", Err: errors.New("bad point")}
		}
		return nil
	}
}

// output remembers what it took.
type output struct {
	mu       sync.Mutex
	answer   answer // nil takes everything
	attempts int
	taken    []int
}

func (o *output) write(ctx context.Context, b batch) error {
	o.mu.Lock()
	o.attempts++
	answer := o.answer
	o.mu.Unlock()
	err := ctx.Err()
	if err == nil && answer != nil {
		err = answer(ctx, b)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var refusal *delivery.Refusal
	switch {
	case err == nil, errors.As(err, &refusal) && refusal.Points+len(refusal.Indexes) > 0:
		o.taken = append(o.taken, b.Points...)
	}
	return err
}

func (o *output) set(a answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = a
}

func (o *output) points() []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(slices.Values(o.taken))
}

func (o *output) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.attempts
}

// store keeps batches in memory.
type store struct {
	atOnce int           // batches that one Next returns at most; zero: one
	slow   time.Duration // how long a Put takes

	mu      sync.Mutex
	batches []batch
	pieces  []int // how many batches each Next has returned that is not done
	losses  []delivery.Loss
	fail    map[string]error // by method; guarded by mu
	puts    int
	nexts   int
	dones   int
}

func (s *store) failing(method string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail[method]
}

func (s *store) setFailing(method string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = map[string]error{method: err}
}

func (s *store) Waiting(context.Context) (map[string]int64, error) {
	if err := s.failing("Waiting"); err != nil {
		return nil, err
	}
	waiting := map[string]int64{}
	for _, b := range s.batches {
		waiting[b.Namespace] += int64(len(b.Points))
	}
	return waiting, nil
}

func (s *store) Put(_ context.Context, batches []batch) error {
	if err := s.failing("Put"); err != nil {
		return err
	}
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	s.batches = append(s.batches, batches...)
	return nil
}

func (s *store) Next(context.Context) ([]batch, error) {
	s.mu.Lock()
	s.nexts++
	s.mu.Unlock()
	if err := s.failing("Next"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.batches[s.read():]
	if len(next) == 0 {
		return nil, nil
	}
	n := min(len(next), max(s.atOnce, 1))
	s.pieces = append(s.pieces, n)
	return next[:n:n], nil
}

// read returns how many batches Next has returned. The lock is held.
func (s *store) read() (batches int) {
	for _, n := range s.pieces {
		batches += n
	}
	return batches
}

func (s *store) Done(_ context.Context, rest []batch) error {
	if err := s.failing("Done"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dones++
	s.batches = append(slices.Clone(s.batches[s.pieces[0]:]), rest...)
	s.pieces = s.pieces[1:]
	return nil
}

func (s *store) Rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces = nil
}

func (s *store) Losses() []delivery.Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	losses := s.losses
	s.losses = nil
	return losses
}

func (s *store) Close(context.Context) error { return nil }

// calls returns how often Put, Next and Done were called.
func (s *store) calls() (puts, nexts, dones int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.puts, s.nexts, s.dones
}

func (s *store) kept() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batches)
}

// logText is a log that can be searched.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logText) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// engine is an engine with its output and store.
type engine struct {
	*delivery.Engine[int]
	t      *testing.T
	output *output
	store  *store
	log    *logText
}

// start starts an engine, with a store if s is not nil.
func start(t *testing.T, s *store) *engine {
	e := newEngine(t, s, "")
	e.Start()
	return e
}

// newEngine makes an engine that keeps its accounts in dir.
func newEngine(t *testing.T, s *store, dir string) *engine {
	e := &engine{t: t, output: &output{}, store: s, log: &logText{}}
	c := delivery.Config[int]{Output: e.output.write, BufferSize: 1000, Dir: dir, Logger: e.log.logger()}
	if s != nil {
		c.Store = s
	}
	e.Engine = delivery.New(c)
	return e
}

func (e *engine) close() {
	e.t.Helper()
	require.NoError(e.t, e.Close(context.Background()))
}

// write writes points of the namespace ns.
func (e *engine) write(points ...int) error {
	return e.Write(context.Background(), batch{"ns", points})
}

func (e *engine) account() delivery.Account {
	e.t.Helper()
	accounts, _ := e.Accounts()
	requireBalance(e.t, accounts)
	return accounts["ns"]
}

func requireBalance(t *testing.T, accounts map[string]delivery.Account) {
	t.Helper()
	for namespace, a := range accounts {
		sum := a.Delivered + a.Waiting
		for n := range maps.Values(a.Dropped) {
			sum += n
		}
		require.Equal(t, a.Accepted, sum, "%s: %+v", namespace, a)
	}
}
