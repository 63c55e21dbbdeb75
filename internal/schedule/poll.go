package schedule

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/waitgroup"
)

// Poll calls Ask at once, then at every interval, sooner after a failure, and when a
// caller wants it. It makes one call at a time. Its exported fields are set before Start;
// SetInterval changes Interval after that.
type Poll struct {
	// Ask asks, with the context of Start. After an error it may say when to ask
	// again; zero: after a pause that grows, from a second up to a minute.
	Ask func(ctx context.Context) (again time.Duration, err error)
	// Interval between two calls. The second call comes after a random part of it, so
	// that hosts that were started together do not ask together.
	Interval time.Duration
	// NotRunning and Stopped are the errors of Now before Start and after Wait.
	NotRunning, Stopped error

	running sync.WaitGroup

	mu      sync.Mutex
	woken   chan struct{}   // guarded by mu; has an element once Soon was called; nil: it was not
	changed chan struct{}   // guarded by mu; closed when Interval changes; nil: nobody waits for that
	ctx     context.Context // guarded by mu; nil before Start
	stopped bool            // guarded by mu
	current *question       // guarded by mu; nil: none is under way
	next    *question       // guarded by mu; begins when current has its answer; nil: nobody waits for it
}

// question is one that several callers may wait for.
type question struct {
	done  chan struct{}
	again time.Duration // as err set before done is closed
	err   error
}

// Start asks until ctx ends.
func (p *Poll) Start(ctx context.Context) {
	p.mu.Lock()
	p.ctx = ctx
	p.mu.Unlock()
	p.running.Go(func() { p.loop(ctx) })
}

// SetInterval replaces Interval. The next call comes when it would have come, or after a
// random part of the new interval if that is sooner. It may be called before Start, too.
func (p *Poll) SetInterval(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Interval == d {
		return
	}
	p.Interval = d
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// Soon makes the loop ask without a pause, because the answer may be another one now. The
// question begins after the call of Soon. It may be called before Start, too.
func (p *Poll) Soon() {
	select {
	case p.wakes() <- struct{}{}:
	default: // it is to ask already
	}
}

// wakes returns the channel by which Soon wakes the loop.
func (p *Poll) wakes() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.woken == nil {
		p.woken = make(chan struct{}, 1)
	}
	return p.woken
}

// interval returns the interval and a channel that is closed once it is another one.
func (p *Poll) interval() (d time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.Interval, p.changed
}

// loop asks until ctx ends.
func (p *Poll) loop(ctx context.Context) {
	retry := backoff.Backoff{First: time.Second}
	answered := false
	for next := p.anyQuestion; next != nil; {
		again, err := p.ask(ctx, next)
		interval, changed := p.interval()
		retry.Most = min(time.Minute, interval)
		wait := interval
		switch {
		case err != nil && again > 0:
			wait = min(again, interval)
		case err != nil:
			wait = retry.Next()
		case !answered:
			answered, wait = true, rand.N(interval)
			retry.Reset()
		default:
			retry.Reset()
		}
		next = p.pause(ctx, wait, changed)
	}
}

// pause waits for d, or less if the interval changes or Soon is called. It returns which
// question comes next; nil: none, because ctx has ended.
func (p *Poll) pause(ctx context.Context, d time.Duration, changed <-chan struct{}) func() *question {
	due := time.Now().Add(d)
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.wakes():
			return p.newQuestion
		case <-timer.C:
			return p.anyQuestion
		case <-changed:
			var interval time.Duration
			interval, changed = p.interval()
			if soon := time.Now().Add(rand.N(interval)); soon.Before(due) {
				due = soon
			}
			timer.Reset(time.Until(due))
		}
	}
}

// Now asks, and returns when the answer is there or ctx ends. The answer is to a question
// that began after the call of Now. Callers that come while a question is under way share
// the next one.
func (p *Poll) Now(ctx context.Context) error {
	_, err := p.ask(ctx, p.newQuestion)
	return err
}

func (p *Poll) ask(ctx context.Context, which func() *question) (again time.Duration, err error) {
	q, err := p.question(which)
	if err != nil {
		return 0, err
	}
	select {
	case <-q.done:
		return q.again, q.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (p *Poll) question(which func() *question) (*question, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ctx == nil:
		return nil, p.NotRunning
	case p.stopped:
		return nil, p.Stopped
	}
	return which(), nil
}

// anyQuestion returns the question under way, and begins one if there is none. The caller
// holds mu.
func (p *Poll) anyQuestion() *question {
	if p.current == nil {
		p.begin(&question{done: make(chan struct{})})
	}
	return p.current
}

// newQuestion returns a question that has not begun yet, or begins now. The caller holds
// mu.
func (p *Poll) newQuestion() *question {
	switch {
	case p.current == nil:
		return p.anyQuestion()
	case p.next == nil:
		p.next = &question{done: make(chan struct{})}
	}
	return p.next
}

// begin asks, and then begins the next question. The caller holds mu.
func (p *Poll) begin(q *question) {
	p.current = q
	ctx := p.ctx // others may share the answer, so it does not end with one caller
	p.running.Go(func() {
		q.again, q.err = p.Ask(ctx)
		p.mu.Lock()
		next := p.next
		p.current, p.next = nil, nil
		if next != nil {
			p.begin(next)
		}
		p.mu.Unlock()
		close(q.done)
	})
}

// Wait refuses further questions. It returns when the question under way has ended, which
// ends with the context of Start, or with an error when ctx ends first.
func (p *Poll) Wait(ctx context.Context) error {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	return waitgroup.Wait(ctx, &p.running)
}
