package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lodastack/agent/internal/event"
)

// Report is a report about the host to a [Reporter].
type Report struct {
	// Host as it is now.
	Host Host
	// Previous is the host as the registry last accepted it; at the very
	// first report it equals Host.
	Previous Host
	// Changed is true when the host name or the addresses of Host and
	// Previous differ.
	Changed bool
	// Namespaces are the names of what is assigned, and IDs their
	// [Assignment.ID], both in one order.
	Namespaces, IDs []string
	// Build of the agent that reports.
	Build Build
	// Time of the report.
	Time time.Time
}

// Reporter is a [Registry] that also gets reports about the host, at the start and at every
// update. An error that wraps [ErrHostUnknown] means that the registry does not know the host
// of [Report.Previous].
type Reporter interface {
	Report(ctx context.Context, r Report) error
}

// ErrHostUnknown is wrapped by the error of [Reporter.Report] if the
// registry does not know a host of the old name: it was deleted there, this
// host is a clone of another one, or the registry was restored from a backup.
var ErrHostUnknown = errors.New("the registry does not know the host's old name")

// reportName reports a host that has another name than the registry knows: until the registry has
// accepted the name, it has no namespaces under it. reported is false if there is nothing to
// report yet.
func (u *updater) reportName(ctx context.Context, host Host) (reported bool, err error) {
	u.mu.Lock()
	u.disowned = ""
	u.mu.Unlock()
	if len(u.registry.reporters) == 0 || u.previousHost(host).Hostname == host.Hostname {
		return false, nil
	}
	err = u.report(ctx, host)
	if errors.Is(err, ErrHostUnknown) {
		u.startOver(host)
		return false, nil
	}
	return true, err
}

// reportAgain reports the host under the name that the registry knows, or as a new one if it does
// not know it any more.
func (u *updater) reportAgain(ctx context.Context, host Host) error {
	if len(u.registry.reporters) == 0 {
		return nil
	}
	err := u.report(ctx, host)
	if errors.Is(err, ErrHostUnknown) && u.startOver(host) {
		err = u.report(ctx, host)
	}
	return err
}

// report tells the registry about the host, or each of several registries.
func (u *updater) report(ctx context.Context, host Host) error {
	previous := u.previousHost(host)
	report := Report{
		Host:     host,
		Previous: previous,
		Changed:  host.Hostname != previous.Hostname || !slices.Equal(host.Addresses, previous.Addresses),
		Build:    u.build,
		Time:     time.Now(),
	}
	var wrong []error
	for _, r := range u.registry.reporters {
		if err := r.report(ctx, report.withNamespaces(u.assignments(), r.name)); err != nil {
			wrong = append(wrong, fmt.Errorf("report to %s: %w", cmp.Or(r.name, "the registry"), err))
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	u.mu.Lock()
	u.accepted = &host
	u.mu.Unlock()
	if err := u.state.Save(hostFile, host); err != nil {
		u.logger.Warn("the accepted report cannot be saved: a restart will not know it", "error", err)
	}
	return nil
}

// withNamespaces returns the report with the namespaces that are assigned by the registry of
// that name.
func (r Report) withNamespaces(assignments []Assignment, registry string) Report {
	for _, assignment := range assignments {
		if registry == "" || assignment.Registry == registry {
			r.Namespaces = append(r.Namespaces, assignment.Namespace)
			r.IDs = append(r.IDs, assignment.ID)
		}
	}
	return r
}

// previousHost returns the host of the last accepted report; if there was
// none, the host as it is.
func (u *updater) previousHost(now Host) Host {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.accepted == nil {
		return now
	}
	return *u.accepted
}

// startOver forgets the last accepted report, because the registry does not know that host.
// The next report is a first one. startOver reports whether there was one to forget.
func (u *updater) startOver(host Host) bool {
	u.mu.Lock()
	old := u.accepted
	u.accepted = nil
	if old != nil {
		u.disowned = fmt.Sprintf("the registry does not know this host's old name %s: it is reported as a new host, %s", old.Hostname, host.Hostname)
	}
	u.mu.Unlock()
	if old == nil {
		return false
	}
	u.logger.Warn("the registry does not know this host's old name: it is reported as a new host", event.Attr(event.HostUnknown), "old", old.Hostname, "new", host.Hostname)
	return true
}
