package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/statefile"
)

// updateTimeout bounds one conversation with the registry.
const updateTimeout = time.Minute

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
	known       []Assignment   // guarded by mu; validated, sorted by namespace
	accepted    *Host          // guarded by mu; of the last accepted report
	status      RegistryStatus // guarded by mu
	unaddressed string         // guarded by mu; why the host's addresses are not known
	disowned    string         // guarded by mu; that the registry does not know the host's old name
	problems    []string       // guarded by mu; of the last answer as a whole
	doubted     *doubted       // guarded by mu; nil unless an answer waits to be confirmed
}

// ask reports and asks, in the order that the host's name requires: while the
// registry has not accepted a new name, it has no namespaces under it. again is when to
// ask next; zero: at the usual time.
func (u *updater) ask(ctx context.Context) (again time.Duration, err error) {
	err = u.converse(ctx)
	if ctx.Err() != nil {
		return 0, ErrStopped
	}
	now := errorText(err)
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

// converse is one conversation, until run ends or updateTimeout is over. It reports before it asks
// if the host has another name, and else after it: the report has what was assigned.
func (u *updater) converse(run context.Context) error {
	ctx, cancel := context.WithTimeout(run, updateTimeout)
	defer cancel()
	host, err := u.readHost()
	u.noteAddresses(&host, err)
	if err != nil && !errors.Is(err, errNoAddresses) {
		return err
	}
	reported, err := u.reportName(ctx, host)
	if err != nil {
		return err
	}
	answer, err := u.registry.ask(ctx, host)
	if run.Err() != nil {
		return ErrStopped // what comes now changes nothing
	}
	err = u.hear(answer, err)
	if !reported {
		err = errors.Join(err, u.reportAgain(ctx, host))
	}
	return err
}

// hear takes an answer of the registry, and its error. It returns what is wrong with it.
func (u *updater) hear(a registryAnswer, err error) error {
	u.logAnswer(a, err)
	u.mu.Lock()
	u.status.RegistryDetails = a.details
	u.mu.Unlock()
	if err = errors.Join(err, u.take(a.assignments, err)); err != nil {
		return fmt.Errorf("ask the registry for assignments: %w", err)
	}
	return nil
}

// noteAddresses notes whether the host's addresses are known.
func (u *updater) noteAddresses(host *Host, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.unaddressed = ""
	if errors.Is(err, errNoAddresses) {
		u.unaddressed = err.Error()
		host.keepAddresses(u.accepted)
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
func (u *updater) logAnswer(a registryAnswer, err error) {
	plugins := 0
	for _, assignment := range a.assignments {
		plugins += len(assignment.Plugins)
	}
	attrs := []any{event.Attr(event.RegistryAsked), "took", a.took, "namespaces", len(a.assignments), "plugins", plugins}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	u.logger.Debug("the registry was asked", attrs...)
}

// take puts the answer in force, unless it is to be doubted.
func (u *updater) take(answer []Assignment, err error) error {
	if isEmptyAnswer(answer, err) {
		return nil
	}
	c := consider(u.assignments(), answer, err, u.registry)
	u.mu.Lock()
	u.problems = c.problems
	if doubt := u.doubt(c); doubt != nil {
		u.mu.Unlock()
		return doubt
	}
	u.known = c.next
	if err == nil {
		u.status.Answered = time.Now()
	}
	u.mu.Unlock()

	if err := u.state.Save(assignmentsFile, c.next); err != nil {
		u.logger.Error("a restart while the registry is away will not know these assignments", "error", err)
	}
	u.apply(c.next)
	return nil
}

// considered is what an answer of the registry changes, and what is wrong with it.
type considered struct {
	next     []Assignment // validated, with the known ones that the answer lacks, sorted by namespace
	problems []string     // of the answer as a whole
	shrunk   *shrunkError // nil: it does not remove too much
}

// consider returns what an answer, with its error, makes of the known assignments. A plan and an
// update both call it, so they agree.
func consider(known, answer []Assignment, err error, asked registryPart) considered {
	answer, problems := validate(answer)
	next := combine(known, answer, err)
	return considered{next, problems, checkShrunk(known, next, asked)}
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
