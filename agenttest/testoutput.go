package agenttest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// OutputSubject is an output to be tested, and its destination: the queue or
// file that it writes to. Fields may be nil, and then some tests are skipped.
type OutputSubject struct {
	Output agent.Output
	// Received returns the points that have arrived at the destination so far.
	// A point may have arrived more than once.
	Received func(tb testing.TB) []Point
	// Break makes the destination refuse everything. Hang makes it accept
	// connections and never answer. Mend ends both.
	Break, Hang, Mend func()
}

// TestOutput checks the promises in the comments of [agent.Output]. open makes
// a new subject for each subtest. The suite closes the Output, and open closes
// everything else in a t.Cleanup. No other tests may run in parallel, because
// the suite reports goroutines that are left.
func TestOutput(t *testing.T, open func(t *testing.T) OutputSubject) {
	for name, test := range map[string]func(*testing.T, OutputSubject){
		"WriteBringsPointsOfEveryForm":        testWrite,
		"WriteTakesLargeBatches":              testWriteLarge,
		"WriteIsCalledConcurrently":           testWriteConcurrently,
		"WriteLeavesTheBatchAsItWas":          testWriteLeavesTheBatch,
		"WriteReturnsSoonAfterItsContextEnds": testWriteReturnsSoon,
		"WriteWorksAgainAfterAFailure":        testWriteAfterFailure,
		"CloseMayBeCalledTwice":               testCloseTwice,
	} {
		subtest(t, name, func(t *testing.T) {
			s := open(t)
			// A context of its own, because t's has ended when cleanups run.
			defer func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
				defer cancel()
				assert.NoError(t, s.Output.Close(ctx), "close the output")
			}()
			test(t, s)
		})
	}
}

func testWrite(t *testing.T, s OutputSubject) {
	batch := sampleBatch("first", 1)
	require.NoError(t, s.Output.Write(bounded(t), batch))
	other := sampleBatch("second-ns.1", 1)
	require.NoError(t, s.Output.Write(bounded(t), other))
	s.waitFor(t, batch, other)
}

func testWriteLarge(t *testing.T, s OutputSubject) {
	batch := sampleBatch("large", 1000) // some 300 KiB of line protocol
	require.NoError(t, s.Output.Write(bounded(t), batch))
	s.waitFor(t, batch)
}

func testWriteConcurrently(t *testing.T, s OutputSubject) {
	var batches []agent.Batch
	for i := range 40 {
		batches = append(batches, sampleBatch(fmt.Sprintf("ns%d", i%3), i+1))
	}
	errs := make([]error, len(batches))
	ctx := bounded(t)
	var writers sync.WaitGroup
	for i, batch := range batches {
		writers.Go(func() { errs[i] = s.Output.Write(ctx, batch) })
	}
	writers.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	s.waitFor(t, batches...)
}

func testWriteLeavesTheBatch(t *testing.T, s OutputSubject) {
	batch := sampleBatch("shared", 3)
	before := cloneBatch(batch)
	ctx := bounded(t)
	var writers sync.WaitGroup
	for range 4 { // the race detector also finds a change that is reverted
		writers.Go(func() { assert.NoError(t, s.Output.Write(ctx, batch)) })
	}
	writers.Wait()
	require.Equal(t, before, batch)
}

func testWriteReturnsSoon(t *testing.T, s OutputSubject) {
	if s.Hang != nil {
		s.Hang()
		defer s.Mend()
	}
	returnsSoon(t, "Write", func(ctx context.Context) {
		_ = s.Output.Write(ctx, sampleBatch("late", 1)) // it may be accepted or not
	})
}

func testWriteAfterFailure(t *testing.T, s OutputSubject) {
	turn(t, "Break", s.Break)
	first, second := sampleBatch("unlucky", 1), sampleBatch("unlucky", 2)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	err := s.Output.Write(ctx, first)
	s.Mend()
	var permanent *agent.PermanentError
	require.NotErrorAs(t, err, &permanent, "a destination that may come back is not a permanent error")
	for _, batch := range []agent.Batch{first, second} {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			assert.NoError(c, s.Output.Write(t.Context(), batch))
		}, patience, 20*time.Millisecond)
	}
	s.waitFor(t, first, second)
}

func testCloseTwice(t *testing.T, s OutputSubject) {
	require.NoError(t, s.Output.Close(bounded(t)))
	require.NoError(t, s.Output.Close(bounded(t)))
	returnsSoon(t, "Close", func(ctx context.Context) { _ = s.Output.Close(ctx) })
}

// waitFor waits until the batches have arrived. Other points may have arrived
// too.
func (s OutputSubject) waitFor(t *testing.T, batches ...agent.Batch) {
	t.Helper()
	if s.Received == nil {
		return
	}
	missing := make(map[string]int)
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		clear(missing)
		for _, batch := range batches {
			for _, m := range batch.Metrics {
				missing[describe(Point{batch.Namespace, m})]++
			}
		}
		received := s.Received(t)
		for _, p := range received {
			delete(missing, describe(p))
		}
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for point := range missing {
				t.Fatalf("%d points have not arrived, %d have; %s is missing", len(missing), len(received), point)
			}
		}
	}
}

// describe returns the same text only for equal points.
func describe(p Point) string {
	return fmt.Sprintf("%s %s %v %T %v %d", p.Namespace, p.Name, p.Tags, p.Value, p.Value, p.Timestamp)
}

// sampleBatch returns a batch of size points in every form. Each has a
// timestamp that no batch of another size has.
func sampleBatch(namespace string, size int) agent.Batch {
	tags := map[string]string{"host": "web-1.example.com"}
	forms := []agent.Metric{
		{Name: "cpu.idle", Tags: tags, Value: 99.5},
		{Name: "agent.alive", Tags: tags, Value: 1.0},
		{Name: "very.small", Tags: tags, Value: -1e-300},
		{Name: "fs.ok", Tags: map[string]string{"host": "web-1.example.com", "mount": "/var,log=a"}, Value: true},
		{Name: "RUN.note", Tags: map[string]string{"host": "web-1.example.com", "città": `a"b\c`}, Value: "say \"hi\", \\ and ünï"},
	}
	b := agent.Batch{Namespace: namespace}
	for i := range size {
		for _, form := range slices.Clone(forms) {
			form.Timestamp = int64(1_500_000_000 + size*10_000 + i)
			b.Metrics = append(b.Metrics, form)
		}
	}
	return b
}
