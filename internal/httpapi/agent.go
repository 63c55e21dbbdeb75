package httpapi

import (
	"context"
	"time"

	"github.com/lodastack/agent/internal/explain"
	"github.com/lodastack/agent/internal/postbody"
	"github.com/lodastack/agent/internal/recent"
	"github.com/lodastack/agent/internal/warnings"
)

// Agent is what the API serves. Its methods are safe for concurrent use.
type Agent interface {
	// Hostname returns the host's name.
	Hostname() string
	// Namespaces returns the names of the host's namespaces.
	Namespaces() []string
	// InForce is true once it is known what the host collects.
	InForce() bool
	// Check returns why the agent does not work, nil if it does, within the
	// time of ctx.
	Check(ctx context.Context) error
	// CheckNamespace returns what is wrong with the name of a namespace.
	CheckNamespace(name string) error
	// Status and Plugins return what /me/status and /plugins/list answer.
	Status() any
	Plugins() any
	// Figures returns what /metrics answers.
	Figures() Figures
	// Recent returns what is remembered of the points that passed.
	Recent() *recent.Memory
	// Warnings returns the last warnings of the log, the newest first.
	Warnings() []warnings.Record
	// Explain says why what has this name does or does not arrive. Its error is an
	// [*explain.UnknownError].
	Explain(name string) (explain.Answer, error)
	// Measurements describes what the host's collectors measure.
	Measurements() []Measurement

	// Post delivers the points, or stores them so that they survive a crash. After an
	// error none was accepted, unless ctx ended while they were being written.
	Post(ctx context.Context, namespace string, points Points) (Posted, error)
	// Update asks the registry.
	Update(ctx context.Context) error
	// RunPlugin runs a plugin. The Run tells about one that failed, too.
	RunPlugin(ctx context.Context, namespace, repo string, args []string) (Run, error)
	UpdatePlugin(ctx context.Context, namespace, repo string) error
	RollbackPlugin(ctx context.Context, namespace, repo string) error
	EnablePlugin(ctx context.Context, namespace, repo string) error
	DisablePlugin(ctx context.Context, namespace, repo string) error

	// ErrorStatus returns the HTTP status for an error of these methods: 400 if the caller is to blame, 404 for an unknown plugin,
	// 409 if something else has to end first or there is no earlier version, 503 while the agent does not
	// run. Zero: none of these.
	ErrorStatus(err error) int
}

// Points are those of a post's body.
type Points struct {
	// Expected is about how many there are.
	Expected int
	// Each passes them to add, one after the other. Its error, which Post
	// returns, is about the body.
	Each func(add func(postbody.Point)) error

	partly *partlyPoints // nil: a point that cannot be sent refuses the body
}

// Partly reports whether the good points are to be taken though others cannot be sent.
func (p Points) Partly() bool { return p.partly != nil }

// Posted is the result of a post.
type Posted struct {
	// Accepted is how many points the agent took responsibility for.
	Accepted int
	// Bad are the points that cannot be sent, by their positions, if some may be taken without
	// the others. Accepted does not count them.
	Bad []BadItem
	// Refused are the points that the output refused for good, after the others were
	// accepted. They are counted as dropped. Nil: none was refused.
	Refused *Refused
}

// Refused is the part of a post that was refused.
type Refused struct {
	// Points is their number. If Shared is set, several posts were written together,
	// it is unknown whose points were refused, and Points is the largest possible
	// number.
	Points  int    `json:"metrics"`
	Reason  string `json:"reason"`
	Indexes []int  `json:"indexes,omitempty"`
	Shared  bool   `json:"shared,omitempty"`
	Error   string `json:"error"`
}

// Run is the result of a plugin's run.
type Run struct {
	// Result in a word, such as ok or timeout.
	Result   string
	ExitCode int
	// Duration is in seconds.
	Duration float64
	Stdout   []byte
}

// RunTimeout is the Result of a run that timed out.
const RunTimeout = "timeout"

// Figures are the agent's own.
type Figures struct {
	Version, Commit, GoVersion string
	Started                    time.Time
	// Namespaces of the host. Each has its counters from the start.
	Namespaces []string
	// Accounts of points, by namespace.
	Accounts   map[string]Account
	Output     OutputFigures
	Registry   RegistryFigures
	Collectors []CollectorFigures
	Plugins    []PluginFigures
	// Statsd is nil if nobody listens for statsd.
	Statsd *StatsdFigures
}

// StatsdFigures tell about a listener for statsd.
type StatsdFigures struct {
	Packets, PacketsDropped, Samples, SamplesDropped, BadLines, UnsupportedLines, Points, PointsLost int64
	Series                                                                                           int
}

// Measurement describes what a collector measures.
type Measurement struct {
	// Name of the metrics. Unit is empty for a plain number. Meaning is a
	// sentence without a full stop.
	Name, Unit, Meaning string
}

// Account is a namespace's balance of points.
type Account struct {
	Accepted, Delivered, Waiting int64
	Dropped                      map[string]int64 // by reason
}

// OutputFigures tell about the output.
type OutputFigures struct {
	// Failed is true if the last write failed.
	Failed bool
	// Oldest is since when the oldest point has waited; zero: none waits.
	Oldest  time.Time
	Servers []ServerFigures
	// Disk is nil if nothing is kept on disk.
	Disk *DiskFigures
}

// ServerFigures tell about a server that points are sent to.
type ServerFigures struct {
	Address string
	Down    bool
}

// DiskFigures tell about points on disk.
type DiskFigures struct {
	Points, Bytes int64
	// Limit bounds Bytes; zero: nothing does.
	Limit int64
}

// RegistryFigures tell about the registry.
type RegistryFigures struct {
	// Failed is true if the last conversation failed.
	Failed bool
	// InForce is true once it is known what to collect.
	InForce bool
	// Answered is when the registry gave its last good answer; zero: never.
	Answered time.Time
	Problems int
	// Heads are those of fleet repositories.
	Heads []HeadFigures
}

// HeadFigures tell about the head of a fleet repository.
type HeadFigures struct {
	// Registry is its name among several; empty: there is only one.
	Registry       string
	Commit, Signer string
	Date           time.Time
}

// CollectorFigures tell about a collector.
type CollectorFigures struct {
	Kind                    string
	Runs, Failures, Invalid int64
	// Interval between the runs, and Duration of the last one, in seconds.
	Interval, Duration float64
	// LastRun is when the last run began; zero: there was none.
	LastRun time.Time
}

// PluginFigures tell about a plugin.
type PluginFigures struct {
	Namespace, Repo         string
	Enabled, Installed      bool
	Runs, Failures, Invalid int64
	// Interval between the runs, in seconds; zero: on demand only.
	Interval float64
	// LastRun is when the last finished run began; zero: there was none.
	LastRun time.Time
	// Duration of the last run, in seconds.
	Duration float64
}
