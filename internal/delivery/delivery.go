// Package delivery moves batches from their sources to the output. It knows
// nothing of what a batch holds.
//
//	Add, Write                                    ┌──────────────────────────┐
//	    │        lanes: a queue and a writer      │ delivered, or refused:   │
//	    └──────► for each namespace ─────────────►│ the output has answered  │
//	                    │                         └──────────────────────────┘
//	                    │ output is down, slow                  ▲
//	                    ▼ or fails                              │ one write at a time,
//	             storage: the one goroutine                     │ beside the new points
//	             that calls the Store ──────────► drainer ──────┘
//	                    oldest first, read ahead
//
// The caller of [Engine.Write] waits for its batch, the caller of [Engine.Add]
// does not. A batch is merged with the waiting ones of its namespace, and
// written. What the output refuses is dropped. If the output refuses a merged
// batch as a whole, the engine splits it until only the refused batches are
// left. What the output does not take now goes to the store. If there is no
// store, or it is full, added batches stay in memory and are retried, and
// writes fail.
//
// # Accounts
//
// One ledger under one lock counts all points. At every moment
//
//	accepted = delivered + waiting + dropped
//
// holds for each namespace. accepted, delivered and dropped never decrease, not
// even over restarts: see [Engine.Accounts].
//
// # Locks
//
// Engine.mu guards the lanes, ledger.mu the accounts, breaker.mu the state of
// the output, refusalLog.mu what has been logged. A goroutine that holds one of
// them takes no other, does not call the output, the store or the logger, and
// does not block.
package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/waitgroup"
)

const (
	// mergePoints is the most points in one merged write.
	mergePoints = 1000
	// storePoints is the most points of a namespace in one write to the store.
	storePoints = 20_000
	// writeTimeout is the timeout of one write if there is no store. An output
	// has time to try several servers.
	writeTimeout = 10 * time.Second
	// storedWriteTimeout is the timeout of one write if there is a store, which
	// takes the points after it.
	storedWriteTimeout = time.Second
	// returnTimeout is the default of Config.ReturnTimeout.
	returnTimeout = time.Second
)

// Reasons why the engine drops points. Refusals and the store have others.
const (
	// DroppedBufferFull: newer points needed the room in memory.
	DroppedBufferFull = "buffer_full"
	// DroppedShutdown: the output did not take them before the end.
	DroppedShutdown = "shutdown"
	// DroppedUncleanStop: they waited when the agent was killed, and were not
	// found at the next start.
	DroppedUncleanStop = "unclean_stop"
)

// ErrStopped is the error of a Write after StopWrites or Close.
var ErrStopped = errors.New("delivery has stopped")

// ErrHangs is the error of an output that has not returned from a write to a namespace. It is
// retried as any other, but does not mean that the output is down for other namespaces.
var ErrHangs = errors.New("the output has not returned")

// Batch is a list of points of one namespace.
type Batch[T any] struct {
	Namespace string
	Points    []T
}

// Config of an engine. Output and Logger are required.
type Config[T any] struct {
	// Output writes a batch and returns nil once it is safe. A [*Refusal] is
	// final. After any other error the batch is retried. Output is called
	// concurrently and returns soon after ctx has ended.
	Output func(ctx context.Context, b Batch[T]) error
	// Store keeps what the output does not take now. Nil: nothing is stored.
	Store Store[T]
	// BufferSize limits the points in memory that no caller waits for.
	BufferSize int
	// Dir is where the accounts are kept over restarts. Empty: they are not
	// kept.
	Dir string
	// Claim is called once, before the accounts are read. It may be nil.
	Claim  func()
	Logger *slog.Logger
	// ReturnTimeout is how long Close waits for a write that does not return
	// after its context has ended, and then for a store that does not return.
	// Zero: a second.
	ReturnTimeout time.Duration
}

// Engine delivers batches. Its methods are safe for concurrent use.
type Engine[T any] struct {
	output  func(ctx context.Context, b Batch[T]) error
	timeout time.Duration // of one write
	returns time.Duration // Config.ReturnTimeout
	log     *slog.Logger
	ledger  *ledger
	claim   func() // Config.Claim
	files   ledgerFiles
	breaker breaker
	said    refusalLog
	spare   sync.Pool   // of *entry[T] of earlier Writes
	storage *storage[T] // nil: no store

	restored sync.Once
	started  sync.Once
	ctx      context.Context    // of all writes; ended by cancel
	cancel   context.CancelFunc // gives up all writes
	waited   context.Context    // of writes with a waiting caller
	giveUp   context.CancelFunc // gives up the writes with a waiting caller
	saver    sync.WaitGroup     // saves the accounts
	stop     chan struct{}      // closed when the saver is to end

	ended    sync.Once
	closeErr error // set by ended

	mu      sync.Mutex
	lanes   map[laneKey]*lane[T] // with entries or a writer; guarded by mu
	points  int                  // in memory, without a waiting caller; guarded by mu
	limit   int                  // of points; guarded by mu
	entered uint64               // number of the newest entry; guarded by mu
	full    bool                 // the last Add dropped points, and that was logged; guarded by mu
	refuses bool                 // Write fails from now on; guarded by mu
	closed  bool                 // Add drops from now on; guarded by mu
	closing chan struct{}        // closed with closed
	writers [2]sync.WaitGroup    // of lanes without and with waiting callers
}

// New makes an engine. It starts nothing and does no I/O.
func New[T any](c Config[T]) *Engine[T] {
	e := &Engine[T]{
		output:  c.Output,
		limit:   c.BufferSize,
		timeout: writeTimeout,
		returns: cmp.Or(c.ReturnTimeout, returnTimeout),
		log:     c.Logger,
		ledger:  newLedger(),
		claim:   c.Claim,
		files:   ledgerFiles{dir: c.Dir, log: c.Logger},
		said:    refusalLog{log: c.Logger, last: make(map[string]time.Time)},
		stop:    make(chan struct{}),
		lanes:   make(map[laneKey]*lane[T]),
		closing: make(chan struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.waited, e.giveUp = context.WithCancel(e.ctx)
	if c.Store != nil {
		e.timeout = storedWriteTimeout
		e.storage = newStorage(e, c.Store)
	}
	return e
}

// SetBufferSize replaces [Config.BufferSize]. If more points wait, the next Add drops the
// oldest.
func (e *Engine[T]) SetBufferSize(points int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.limit = points
}

// Start begins to deliver what the store has from earlier runs, and to save the
// accounts, until Close. Add and Write may be called before Start, but
// nothing is stored before.
func (e *Engine[T]) Start() {
	e.begin()
	e.saver.Go(func() { e.files.keep(e.ledger, e.stop) })
}

// begin loads the accounts and starts to drain, once.
func (e *Engine[T]) begin() {
	e.restore()
	e.started.Do(func() {
		if e.storage != nil {
			e.storage.start()
		}
	})
}

// restore loads the accounts, once. It logs afterwards: a logger may ask for the
// accounts.
func (e *Engine[T]) restore() {
	var unread, unusable error
	var gone int64
	e.restored.Do(func() {
		if e.claim != nil {
			e.claim()
		}
		gone, unread, unusable = e.load()
	})
	if unusable != nil {
		e.log.Error("cannot read what the store has: it is not used until the next start", event.Attr(event.StoreUnusable), "error", unusable)
	}
	if unread != nil {
		e.log.Warn("cannot read the saved accounts", "error", unread)
	}
	if gone > 0 {
		e.log.Warn("the agent was killed, and points that waited then were not found: they are counted as dropped, although some may have been delivered",
			event.Attr(event.PointsLost), "points", gone, "reason", DroppedUncleanStop)
	}
}

// load restores the accounts of earlier runs. gone is how many waiting points
// were not found. unread says why saved accounts could not be read, and unusable
// why the store is not used.
func (e *Engine[T]) load() (gone int64, unread, unusable error) {
	saved, unread := e.files.load()
	var found map[string]int64
	if e.storage != nil {
		found, unusable = e.storage.found()
	}
	if unusable != nil {
		e.storage, e.timeout = nil, writeTimeout
		found = waitingIn(saved) // they are counted when the store can be read again
	}
	return e.ledger.restore(saved, found), unread, unusable
}

// Accounts returns the account of each namespace over all runs, in one
// consistent snapshot, and their sum. The sum includes the accounts of
// forgotten namespaces.
func (e *Engine[T]) Accounts() (byNamespace map[string]Account, total Account) {
	e.restore()
	return e.ledger.snapshot()
}

// Drops returns what is being dropped now, sorted by namespace and reason.
// Points count if they were dropped in the last six minutes, or in the last
// hour if nothing of their namespace was delivered since.
func (e *Engine[T]) Drops() []Drop { return e.ledger.drops(time.Now()) }

// Forget removes the accounts of namespaces that are not in current, if none of
// their points wait and none has moved for the duration idle.
func (e *Engine[T]) Forget(current []string, idle time.Duration) {
	e.restore()
	e.ledger.forget(current, idle)
}

// Down returns why the output is down; nil: it is up.
func (e *Engine[T]) Down() error { return e.breaker.down() }

// DownSince returns when the output went down. Zero: it is up.
func (e *Engine[T]) DownSince() time.Time { return e.breaker.downSince() }

// StoreHangsSince returns when the store was called, if it has not returned for ten seconds.
// Zero: it does not hang. Until it returns, points wait in memory.
func (e *Engine[T]) StoreHangsSince() time.Time {
	e.restore()
	if e.storage == nil {
		return time.Time{}
	}
	return e.storage.hangsSince()
}

// StopWrites makes every further Write fail with [ErrStopped] and waits for
// those in progress. When ctx ends, it cancels them. It returns an error if a
// write does not return even then.
func (e *Engine[T]) StopWrites(ctx context.Context) error {
	e.mu.Lock()
	e.refuses = true
	e.mu.Unlock()
	defer e.giveUp()
	if waitgroup.Wait(ctx, &e.writers[1]) == nil {
		return nil
	}
	e.giveUp()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.returns)
	defer cancel()
	return waitgroup.Wait(ending, &e.writers[1])
}

// Close delivers or stores what waits in memory, stops the drainer and closes
// the store. When ctx ends, it cancels writes, drops what is neither delivered
// nor stored, and reports that in the error. It returns at most twice
// Config.ReturnTimeout after that, even if the output or the store hangs. A
// second Close returns the same error.
func (e *Engine[T]) Close(ctx context.Context) error {
	e.ended.Do(func() { e.closeErr = e.close(ctx) })
	return e.closeErr
}

func (e *Engine[T]) close(ctx context.Context) error {
	e.begin()
	e.mu.Lock()
	e.closed, e.refuses = true, true
	e.mu.Unlock()
	close(e.closing)
	close(e.stop)
	var wrong []error
	if waitgroup.Wait(ctx, &e.writers[0]) != nil {
		e.cancel()
	}
	if e.storage != nil {
		e.storage.stopDraining(ctx)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.returns)
	defer cancel()
	err := errors.Join(waitgroup.Wait(ending, &e.writers[0]), waitgroup.Wait(ending, &e.writers[1]))
	if err != nil {
		e.dropQueued()
	}
	if e.storage != nil {
		err = errors.Join(err, waitgroup.Wait(ending, &e.storage.drains))
		stuck := e.storage.close()
		wrong = append(wrong, stuck)
		if errors.Is(stuck, context.DeadlineExceeded) {
			err = nil // writes wait for the store, rather than for the output
		}
	}
	if err != nil {
		wrong = append(wrong, fmt.Errorf("the output did not return from a write: %w", err))
	}
	e.cancel()
	if lost := e.ledger.lostAtTheEnd(); lost > 0 {
		wrong = append(wrong, fmt.Errorf("the output did not take %d points in time: they are lost", lost))
	}
	e.saver.Wait()
	e.files.save(e.ledger)
	return errors.Join(wrong...)
}
