package agent

import (
	"cmp"
	"slices"
	"time"

	"github.com/lodastack/agent/internal/httpapi"
)

// Status is the state of the agent. Its JSON is the answer of /me/status.
type Status struct {
	// Version is that of Build, for scripts that were made for earlier agents.
	Version  string `json:"version"`
	Build    Build  `json:"build"`
	Hostname string `json:"hostname"`
	// Started is when the agent was made, or the time of [WithStarted]. The stock agent
	// keeps it over all reloads, although its counters begin anew if a key restarts it.
	Started time.Time `json:"started"`
	// Uptime is in seconds.
	Uptime     float64            `json:"uptime"`
	Namespaces []string           `json:"namespaces"`
	Registry   RegistryStatus     `json:"registry"`
	Output     OutputStatus       `json:"output"`
	Accounts   map[string]Account `json:"accounts"` // by namespace
	Collectors []CollectorStatus  `json:"collectors"`
	Plugins    []PluginStatus     `json:"plugins"`
	Control    ControlStatus      `json:"control"`
	// Statsd is nil if nobody listens for statsd.
	Statsd *StatsdStatus `json:"statsd,omitempty"`
	// Warnings are those of [WithWarnings].
	Warnings []string `json:"warnings,omitempty"`
}

// ControlStatus says who may control the agent over HTTP.
type ControlStatus struct {
	// Local says which callers on this host may: see [WithLocalControl].
	Local string `json:"local"`
	// PluginUsers are the users that may not, because plugins run as them. Empty:
	// plugins run as the agent's own user, or are not distinguished from other callers.
	PluginUsers []int `json:"plugin_users,omitempty"`
	// PluginUserRanges are more such users, by their uids.
	PluginUserRanges []UIDRange `json:"plugin_user_ranges,omitempty"`
	// Calls is true if plugins may be run on demand.
	Calls bool `json:"calls"`
}

// UIDRange are the uids from First to Last.
type UIDRange = httpapi.UIDRange

// RegistryStatus tells about the registry.
type RegistryStatus struct {
	// Asked is when the registry was asked last, and Answered when it last gave a good
	// answer.
	Asked    time.Time `json:"asked,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
	// Doubted is when it first gave an answer that is not believed yet, because that
	// would remove most of what runs here. Zero: there is none.
	Doubted time.Time `json:"doubted,omitzero"`
	// Changes are what that answer changes once it is believed, 100 of them at most: see
	// [Plan]. Empty: nothing waits, as every other answer is in force at once.
	Changes []PlanChange `json:"changes,omitempty"`
	// InForce is true once assignments are in force, from the registry or from an
	// earlier run.
	InForce bool `json:"in_force"`
	// Error of the last conversation, empty if it went well.
	Error string `json:"error,omitempty"`
	// Problems has a sentence for each item of the last answers that was left
	// out or contradicts another one, and for an answer that is doubted.
	Problems []string `json:"problems,omitempty"`
	RegistryDetails
	// Members are the registries that [Registries] has joined, in their order. Empty:
	// there is only one.
	Members []RegistryMember `json:"members,omitempty"`
}

// RegistryMember tells about one of several registries.
type RegistryMember struct {
	// Name as in [Assignment.Registry].
	Name string `json:"name"`
	// Namespaces is how many of the assignments in force are its own.
	Namespaces int `json:"namespaces"`
	// Asked and Answered are as in [RegistryStatus]. Zero: not since the start.
	Asked    time.Time `json:"asked,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
	// Error of the last answer, empty if it was good.
	Error string `json:"error,omitempty"`
	RegistryDetails
}

// OutputStatus tells about the output.
type OutputStatus struct {
	// Error of the last write, empty if it went well.
	Error string `json:"error,omitempty"`
	// DownSince is when the output began to fail. Zero: the last write went well.
	DownSince time.Time `json:"down_since,omitzero"`
	// Total is the sum of all namespaces' accounts.
	Total Account `json:"total"`
	// Dropping has the namespaces that lose points now, sorted.
	Dropping []Dropping `json:"dropping,omitempty"`
	OutputDetails
}

// CollectorStatus tells about a collector.
type CollectorStatus struct {
	Kind string `json:"kind"`
	// Interval is in seconds.
	Interval float64 `json:"interval"`
	// Running is true while a run is under way, which LastRun began.
	Running bool      `json:"running"`
	LastRun time.Time `json:"last_run,omitzero"`
	// Duration (in seconds), Points and Error are those of the last finished
	// run.
	Duration float64 `json:"duration"`
	Points   int     `json:"points"`
	Error    string  `json:"error,omitempty"`
	// Runs and Failures count since the start, as Invalid does the metrics
	// that could not be sent.
	Runs     int64 `json:"runs"`
	Failures int64 `json:"failures"`
	Invalid  int64 `json:"invalid"`
	// InvalidError names a metric of the last finished run that could not be sent, by its
	// index and name, and says why. Empty: all were sent.
	InvalidError string `json:"invalid_error,omitempty"`
}

// Status returns the agent's state. It is safe for concurrent use.
func (a *Agent) Status() Status {
	set := a.settings.Load()
	s := Status{
		Version:    a.config.build.Version,
		Build:      a.config.build,
		Hostname:   a.hostname(),
		Started:    a.config.started,
		Uptime:     time.Since(a.config.started).Seconds(),
		Namespaces: a.Namespaces(),
		Registry:   a.updater.currentStatus(),
		Plugins:    a.Plugins(),
		Warnings:   slices.Clone(set.warnings),
		Control: ControlStatus{
			Local:            cmp.Or(set.api.LocalControl, httpapi.ControlLoopback),
			PluginUsers:      slices.Clone(set.api.PluginUsers),
			PluginUserRanges: slices.Clone(set.api.PluginUserRanges),
			Calls:            !set.api.NoCalls,
		},
	}
	s.Registry.InForce = a.isReady()
	s.Registry.Problems = append(s.Registry.Problems, a.pluginProblems()...)
	s.Accounts, s.Output.Total = a.accounts()
	s.Output.OutputDetails = a.outputDetails()
	s.Output.Dropping = a.dropping()
	s.Output.Error = errorText(a.delivery.Down())
	s.Output.DownSince = a.delivery.DownSince()
	if a.config.statsd != nil {
		s.Statsd = a.config.statsd()
	}
	for _, collection := range a.config.collectors {
		s.Collectors = append(s.Collectors, collection.currentStatus())
	}
	return s
}

// Namespaces returns the names of the namespaces of this host, sorted.
func (a *Agent) Namespaces() []string {
	namespaces := []string{}
	for _, assignment := range a.assigned() {
		namespaces = append(namespaces, assignment.Namespace)
	}
	return namespaces
}

// Dropping means that points of a namespace are being dropped: some were dropped in the last
// six minutes, or in the last hour and none was delivered since.
type Dropping struct {
	Namespace string `json:"namespace"`
	// Reason is a word, as in [Account.Dropped].
	Reason string `json:"reason"`
	// Points dropped from Since to Last.
	Points int64     `json:"points"`
	Since  time.Time `json:"since"`
	Last   time.Time `json:"last"`
	// Error is the output's error for the last ones. Empty: the output did not drop
	// them.
	Error string `json:"error,omitempty"`
	// Advice says what to do about it, as [WithDropAdvice] has it for Reason.
	Advice string `json:"advice,omitempty"`
}

// dropping returns the namespaces that lose points now.
func (a *Agent) dropping() (dropping []Dropping) {
	for _, d := range a.delivery.Drops() {
		dropping = append(dropping, Dropping{
			Namespace: d.Namespace, Reason: d.Reason, Points: d.Points, Since: d.Since, Last: d.Last, Error: errorText(d.Err),
			Advice: a.config.dropAdvice[d.Reason],
		})
	}
	return dropping
}

// oldestWaiting returns when the oldest point arrived that waits in memory or on disk. Zero: none
// waits. disk is nil if nothing is on disk.
func (a *Agent) oldestWaiting(disk *DiskDetails) time.Time {
	oldest := a.delivery.Oldest()
	if disk != nil && (oldest.IsZero() || !disk.Oldest.IsZero() && disk.Oldest.Before(oldest)) {
		return disk.Oldest
	}
	return oldest
}

// outputDetails returns what the output and the store report, and which of them hangs.
func (a *Agent) outputDetails() OutputDetails {
	details := a.output.inspect()
	if a.store == nil {
		return details
	}
	a.store.inspect(&details)
	if since := a.delivery.StoreHangsSince(); !since.IsZero() {
		details.Problems = append(details.Problems, "the store has not returned since "+since.Format(time.RFC3339)+": check the disk that it writes to; meanwhile points wait in memory")
	}
	return details
}

// errorText returns the text of err, and "" if it is nil.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
