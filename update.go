package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/statefile"
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
	build    Build
	state    statefile.Dir
	logger   *slog.Logger
	readHost func() (Host, error)
	apply    func([]Assignment) // told of every new answer, in order

	mu          sync.Mutex
	known       []Assignment   // guarded by mu; judged, sorted by namespace
	accepted    *Host          // guarded by mu; of the last accepted report
	status      RegistryStatus // guarded by mu
	unaddressed string         // guarded by mu; why the host's addresses are not known
	disowned    string         // guarded by mu; that the registry does not know the host's old name
	problems    []string       // guarded by mu; of the last answer as a whole
	doubted     *doubted       // guarded by mu; nil unless an answer waits to be confirmed
}

// remember takes over what an earlier run of the agent knew.
func (u *updater) remember() {
	var known []Assignment
	if err := u.state.Load(assignmentsFile, &known); err != nil {
		u.logger.Warn("starting without the last assignments", "error", err)
	}
	var accepted *Host
	if err := u.state.Load(hostFile, &accepted); err != nil {
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

// ask reports and asks, in the order that the host's name requires: while the
// registry has not accepted a new name, it has no namespaces under it. After an
// error it says when to ask again if that is not as usual.
func (u *updater) ask(ctx context.Context) (again time.Duration, err error) {
	err = u.converse(ctx)
	if ctx.Err() != nil {
		return 0, ErrStopped
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
	if errors.As(err, new(*shrunkError)) {
		again = confirmAfter
	}
	return again, err
}

// converse is one conversation, until run ends or updateTimeout is over.
func (u *updater) converse(run context.Context) error {
	ctx, cancel := context.WithTimeout(run, updateTimeout)
	defer cancel()
	host, err := u.readHost()
	u.noteAddresses(&host, err)
	if err != nil && !errors.Is(err, errNoAddresses) {
		return err
	}
	u.mu.Lock()
	u.disowned = ""
	u.mu.Unlock()
	reports := len(u.registry.reporters) > 0
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
	details := u.registry.inspect()
	u.mu.Lock()
	u.status.RegistryDetails = details
	u.mu.Unlock()
	if run.Err() != nil {
		return ErrStopped // what comes now changes nothing
	}
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
	status.Members = u.registry.members()
	for i, member := range status.Members {
		for _, assignment := range u.known {
			if assignment.Registry == member.Name {
				status.Members[i].Namespaces++
			}
		}
	}
	if u.unaddressed != "" {
		status.Problems = append(status.Problems, u.unaddressed)
	}
	if u.disowned != "" {
		status.Problems = append(status.Problems, u.disowned)
	}
	status.Problems = append(status.Problems, u.problems...)
	if u.doubted != nil {
		status.Doubted, status.Changes = u.doubted.since, u.doubted.changes
		status.Problems = append(status.Problems, u.doubted.reason.Error())
	}
	status.Problems = append(status.Problems, itemProblems(u.known)...)
	return status
}

// logAnswer logs what the registry answered, and how long that took.
func (u *updater) logAnswer(answer []Assignment, took time.Duration, err error) {
	plugins := 0
	for _, assignment := range answer {
		plugins += len(assignment.Plugins)
	}
	attrs := []any{event.Attr(event.RegistryAsked), "took", took, "namespaces", len(answer), "plugins", plugins}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	u.logger.Debug("the registry was asked", attrs...)
}

// take puts the answer in force, unless it is to be doubted.
func (u *updater) take(answer []Assignment, err error) error {
	if saysNothing(answer, err) {
		return nil
	}
	answer, problems := judge(answer)
	u.mu.Lock()
	u.problems = problems
	next := combine(u.known, answer, err)
	if doubt := u.doubt(next); doubt != nil {
		u.mu.Unlock()
		return doubt
	}
	u.known = next
	if err == nil {
		u.status.Answered = time.Now()
	}
	u.mu.Unlock()

	if err := u.state.Save(assignmentsFile, next); err != nil {
		u.logger.Error("a restart while the registry is away will not know these assignments", "error", err)
	}
	u.apply(next)
	return nil
}

// saysNothing reports whether nothing is known after an answer that was not known
// before.
func saysNothing(answer []Assignment, err error) bool {
	var partial *PartialError
	if errors.As(err, &partial) {
		return len(answer) == 0 && partial.saysNothing()
	}
	return err != nil && len(answer) == 0
}

// combine returns the answer with what is known of the namespaces that it does
// not speak of. err is that of the answer.
func combine(known, answer []Assignment, err error) []Assignment {
	var partial *PartialError
	errors.As(err, &partial)
	next := make(map[string]Assignment, len(answer))
	for _, assignment := range answer {
		next[assignment.Namespace] = assignment
	}
	for _, old := range known {
		now, has := next[old.Namespace]
		keep := err != nil && !has
		if partial != nil {
			keep = partial.keeps(old, now.Registry, has)
		}
		if keep && (has || len(next) < maxNamespaces) {
			next[old.Namespace] = old
		}
	}
	return slices.SortedFunc(maps.Values(next), func(a, b Assignment) int { return strings.Compare(a.Namespace, b.Namespace) })
}

// itemProblems returns the problems of the assignments' items.
func itemProblems(assignments []Assignment) (problems []string) {
	for _, assignment := range assignments {
		for _, problem := range assignment.Problems {
			problems = append(problems, fmt.Sprintf("namespace %s: %s", assignment.Namespace, problem))
		}
	}
	return problems
}
