package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lodastack/agent/internal/event"
)

// report tells the registry about the host.
func (u *updater) report(ctx context.Context, host Host) error {
	previous := u.previousHost(host)
	report := Report{
		Host:     host,
		Previous: previous,
		Changed:  host.Hostname != previous.Hostname || !slices.Equal(host.Addresses, previous.Addresses),
		Build:    u.build,
		Time:     time.Now(),
	}
	for _, assignment := range u.assignments() {
		report.Namespaces = append(report.Namespaces, assignment.Namespace)
		report.IDs = append(report.IDs, assignment.ID)
	}
	if err := u.registry.report(ctx, report); err != nil {
		return fmt.Errorf("report to the registry: %w", err)
	}
	u.mu.Lock()
	u.accepted = &host
	u.mu.Unlock()
	if err := u.state.Save(hostFile, host); err != nil {
		u.logger.Warn("the accepted report cannot be saved: a restart will not know it", "error", err)
	}
	return nil
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
