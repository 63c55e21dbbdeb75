package httpregistry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lodastack/agent"
)

// report is the body of the registry's /api/v1/agent/report.
type report struct {
	IDs          []string `json:"uuid"`
	Serial       string   `json:"sn"`
	NewAddresses []string `json:"newiplist"`
	OldAddresses []string `json:"oldiplist"`
	Namespaces   []string `json:"ns"`
	Version      string   `json:"version"`
	Commit       string   `json:"commit"`
	Branch       string   `json:"branch"`
	BuildTime    string   `json:"buildtime"`
	GoVersion    string   `json:"goversion"`
	NewHostname  string   `json:"newhostname"`
	OldHostname  string   `json:"oldhostname"`
	AgentType    string   `json:"agenttype"`
	Update       bool     `json:"update"`
	Time         string   `json:"utime"`
}

// hostUnknown is the registry's message when it does not know the old name in a
// report (lodastack/registry, tree/machine/machine.go).
const hostUnknown = "machine not found"

// Report reports the host to the registry. The error wraps
// [agent.ErrHostUnknown] if the registry does not know the old name.
func (r *Registry) Report(ctx context.Context, told agent.Report) error {
	defer r.closeIdle()
	body := report{
		IDs:          list(told.IDs),
		Serial:       told.Host.Serial,
		NewAddresses: list(told.Host.Addresses),
		OldAddresses: list(told.Previous.Addresses),
		Namespaces:   list(told.Namespaces),
		Version:      told.Build.Version,
		Commit:       told.Build.Commit,
		Branch:       told.Build.Branch,
		BuildTime:    told.Build.Time,
		GoVersion:    told.Build.GoVersion,
		NewHostname:  told.Host.Hostname,
		OldHostname:  told.Previous.Hostname,
		AgentType:    r.agentType,
		Update:       told.Changed,
		Time:         told.Time.Format(time.RFC3339),
	}
	if body.OldHostname == "" {
		// The registry refuses a report without an old name.
		body.OldHostname = body.NewHostname
	}
	_, err := r.call(ctx, http.MethodPost, "api/v1/agent/report", nil, body)
	var refused *refusal
	if errors.As(err, &refused) && refused.message == hostUnknown {
		err = fmt.Errorf("%w: %w", agent.ErrHostUnknown, err)
	}
	if err != nil {
		return fmt.Errorf("the report of %s: %w", told.Host.Hostname, err)
	}
	return nil
}

// list returns names as a list that is never null in JSON.
func list(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
