package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/waitgroup"
)

// updateTimeout bounds one conversation with the registry.
const updateTimeout = time.Minute

// Files in the state directory.
const (
	assignmentsFile = "assignments.json"
	hostFile        = "host.json"
)

// updater asks the registry and keeps what it said: a failed or partial answer
// takes nothing away.
type updater struct {
	registry registryPart
	interval time.Duration
	build    Build
	state    stateDir
	logger   *slog.Logger
	readHost func() (Host, error)
	apply    func([]Assignment) // told of every new answer, in order

	asking sync.WaitGroup // the conversation under way

	mu          sync.Mutex
	ctx         context.Context // guarded by mu; nil while the agent does not run
	stopped     bool            // guarded by mu
	current     *update         // guarded by mu; the conversation under way
	known       []Assignment    // guarded by mu; judged, sorted by namespace
	accepted    *Host           // guarded by mu; of the last accepted report
	status      RegistryStatus  // guarded by mu
	unaddressed string          // guarded by mu; why the host's addresses are not known
	disowned    string          // guarded by mu; that the registry does not know the host's old name
	problems    []string        // guarded by mu; of the last answer as a whole
	doubted     *doubted        // guarded by mu; nil unless an answer waits to be confirmed
}

// update is one conversation, which several callers may wait for.
type update struct {
	done chan struct{}
	err  error // set before done is closed
}

// remember takes over what an earlier run of the agent knew.
func (u *updater) remember() {
	var known []Assignment
	if err := u.state.load(assignmentsFile, &known); err != nil {
		u.logger.Warn("starting without the last assignments", "error", err)
	}
	var accepted *Host
	if err := u.state.load(hostFile, &accepted); err != nil {
		u.logger.Warn("starting without the last accepted report", "error", err)
	}
	known, problems := judge(known) // an earlier version may have saved it
	u.mu.Lock()
	u.known, u.accepted, u.problems = known, accepted, problems
	u.mu.Unlock()
	if len(known) > 0 {
		u.apply(known)
	}
}

// loop asks at once and then at every interval, sooner after a failure, until
// ctx ends.
func (u *updater) loop(ctx context.Context) {
	retry := backoff.Backoff{First: time.Second, Most: min(time.Minute, u.interval)}
	spread := rand.N(u.interval) // so that hosts started together ask apart
	for {
		wait := u.interval
		var shrunk *shrunkError
		switch err := u.update(ctx); {
		case errors.As(err, &shrunk):
			wait = min(confirmAfter, u.interval)
		case err != nil:
			wait = retry.Next()
		case spread > 0:
			retry.Reset()
			wait, spread = spread, 0
		default:
			retry.Reset()
		}
		if !backoff.Pause(ctx, wait) {
			return
		}
	}
}

// start lets update work until ctx ends.
func (u *updater) start(ctx context.Context) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ctx = ctx
}

// update asks the registry now, and returns when its answer is in force or ctx
// ends. A caller that comes while somebody asks shares the answer.
func (u *updater) update(ctx context.Context) error {
	u.mu.Lock()
	switch {
	case u.ctx == nil:
		u.mu.Unlock()
		return ErrNotRunning
	case u.stopped:
		u.mu.Unlock()
		return ErrStopped
	}
	current := u.current
	if current == nil {
		current = &update{done: make(chan struct{})}
		u.current = current
		// Others may share the answer: that the caller goes away ends nothing.
		asking, cancel := context.WithTimeout(u.ctx, updateTimeout)
		u.asking.Go(func() {
			defer cancel()
			u.finish(current, u.ask(asking))
		})
	}
	u.mu.Unlock()
	select {
	case <-current.done:
		return current.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish gives the result of a conversation to whoever waits for it.
func (u *updater) finish(current *update, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.current = nil
	current.err = err
	close(current.done)
}

// wait refuses further updates and returns when the one under way has ended,
// which it does when the agent's context has, or with an error when ctx ends
// before that.
func (u *updater) wait(ctx context.Context) error {
	u.mu.Lock()
	u.stopped = true
	u.mu.Unlock()
	return waitgroup.Wait(ctx, &u.asking)
}

// ask reports and asks, in the order that the host's name requires: while the
// registry has not accepted a new name, it has no namespaces under it.
func (u *updater) ask(ctx context.Context) error {
	err := u.converse(ctx)
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return ErrStopped
	}
	now := ""
	if err != nil {
		now = err.Error()
	}
	u.mu.Lock()
	was := u.status.Error
	u.status.Asked, u.status.Error = time.Now(), now
	u.mu.Unlock()
	switch {
	case now == was:
	case err != nil:
		text := "the update from the registry failed: what was assigned before stays in force"
		if len(u.assignments()) == 0 {
			text = "the update from the registry failed: nothing is collected until one succeeds"
		}
		u.logger.Error(text, event.Attr(event.RegistryFailed), "error", err)
	default:
		u.logger.Info("the registry answers again", event.Attr(event.RegistryRecovered))
	}
	return err
}

func (u *updater) converse(ctx context.Context) error {
	host, err := u.readHost()
	u.noteAddresses(&host, err)
	if err != nil && !errors.Is(err, errNoAddresses) {
		return err
	}
	u.mu.Lock()
	u.disowned = ""
	u.mu.Unlock()
	reports := u.registry.reporter != nil
	renamed := reports && u.previousHost(host).Hostname != host.Hostname
	if renamed {
		err := u.report(ctx, host)
		switch {
		case errors.Is(err, ErrHostUnknown):
			u.startOver(host)
			renamed = false
		case err != nil:
			return err
		}
	}
	began := time.Now()
	answer, err := u.registry.assignments(ctx, host)
	u.logAnswer(answer, time.Since(began), err)
	if ctx.Err() != nil && err == nil {
		err = ctx.Err()
	}
	if doubt := u.take(answer, err); doubt != nil {
		err = errors.Join(err, doubt)
	}
	if err != nil {
		err = fmt.Errorf("ask the registry for assignments: %w", err)
	}
	if reports && !renamed {
		reported := u.report(ctx, host)
		if errors.Is(reported, ErrHostUnknown) && u.startOver(host) {
			reported = u.report(ctx, host)
		}
		err = errors.Join(err, reported)
	}
	return err
}

// noteAddresses keeps the addresses of the last report while they cannot be
// read: the registry must not hear that they have gone.
func (u *updater) noteAddresses(host *Host, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.unaddressed = ""
	if errors.Is(err, errNoAddresses) {
		u.unaddressed = err.Error()
		if u.accepted != nil {
			host.Addresses = u.accepted.Addresses
		}
	}
}

// assignments returns what is known. The caller must not change it.
func (u *updater) assignments() []Assignment {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.known
}

// currentStatus returns what the status says of the registry.
func (u *updater) currentStatus() RegistryStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	status := u.status
	if u.unaddressed != "" {
		status.Problems = append(status.Problems, u.unaddressed)
	}
	if u.disowned != "" {
		status.Problems = append(status.Problems, u.disowned)
	}
	status.Problems = append(status.Problems, u.problems...)
	if u.doubted != nil {
		status.Doubted = u.doubted.since
		status.Problems = append(status.Problems, u.doubted.reason.Error())
	}
	for _, assignment := range u.known {
		for _, problem := range assignment.Problems {
			status.Problems = append(status.Problems, fmt.Sprintf("namespace %s: %s", assignment.Namespace, problem))
		}
	}
	return status
}
