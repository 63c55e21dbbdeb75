package explain

import "time"

// Facts are what an agent knows at one time. Explain claims nothing else. Times that are
// zero are not known, or have not come yet.
type Facts struct {
	Now  time.Time `json:"now"`
	Host string    `json:"host"`
	// Namespaces of the host, sorted.
	Namespaces []string `json:"namespaces"`
	// Registries has the registry that assigns each namespace. Empty: there is only one.
	Registries   map[string]string  `json:"registries,omitempty"`
	Registry     Registry           `json:"registry"`
	Measurements []Measurement      `json:"measurements,omitempty"`
	Collectors   []Collector        `json:"collectors,omitempty"`
	Items        []Item             `json:"items,omitempty"`
	Plugins      []Plugin           `json:"plugins,omitempty"`
	Accounts     map[string]Account `json:"accounts,omitempty"` // by namespace
	Drops        []Drop             `json:"drops,omitempty"`
	Output       Output             `json:"output"`
	// Remembers is true if Series has the series that passed, at least those of the name
	// that is explained, and Names the names of all.
	Remembers bool     `json:"remembers"`
	Series    []Series `json:"series,omitempty"`
	Names     []string `json:"-"`
	// RefusedPost is the last post of which a metric was refused. Nil: there was none.
	RefusedPost *RefusedPost `json:"refused_post,omitempty"`
	// Statsd is nil if nobody listens for statsd.
	Statsd *Statsd `json:"statsd,omitempty"`
}

// Statsd tells about a statsd listener. Its numbers count since it was opened.
type Statsd struct {
	Address string `json:"address"`
	// Packets that were read, and those that the kernel dropped.
	Packets        int64 `json:"packets"`
	PacketsDropped int64 `json:"packets_dropped"`
	// SamplesDropped had no room, BadLines are no samples, PointsLost were refused or did not get
	// out before a stop.
	SamplesDropped int64 `json:"samples_dropped"`
	BadLines       int64 `json:"bad_lines"`
	PointsLost     int64 `json:"points_lost"`
	// Problems has a sentence for each thing that is wrong.
	Problems []string `json:"problems,omitempty"`
}

// Registry tells about the registry.
type Registry struct {
	// InForce is true once it is known what to collect.
	InForce bool `json:"in_force"`
	// Answered is when it gave its last good answer.
	Answered time.Time `json:"answered,omitzero"`
	// Doubted is when it first gave an answer that is not believed yet.
	Doubted time.Time `json:"doubted,omitzero"`
	// Error of the last question to it.
	Error string `json:"error,omitempty"`
}

// Measurement is one that collectors make.
type Measurement struct {
	Kind string `json:"kind"`
	// Name of the points. NAME in it stands for the name of an Item.
	Name string `json:"name"`
	// Absent says when it is absent although its collector works. Empty: never.
	Absent string `json:"absent,omitempty"`
	// Off says why nothing measures it here. Empty: a collector does.
	Off string `json:"off,omitempty"`
	// LeftOut says what of the host it does not have, and why. It is called if the
	// measurement is explained. Nil: nothing is left out.
	LeftOut func() []string `json:"-"`
}

// Collector measures a kind.
type Collector struct {
	Kind string `json:"kind"`
	// Interval in seconds. Zero: it is not scheduled.
	Interval float64 `json:"interval"`
	// Running is true during a run, which LastRun began.
	Running bool      `json:"running"`
	LastRun time.Time `json:"last_run,omitzero"`
	Runs    int64     `json:"runs"`
	// Points, Error and Invalid are those of the last finished run. Invalid says why
	// a metric could not be sent.
	Points  int    `json:"points"`
	Error   string `json:"error,omitempty"`
	Invalid string `json:"invalid,omitempty"`
}

// Item is a port or a process that the registry assigns.
type Item struct {
	Namespace string `json:"ns"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
}

// Plugin is an assigned plugin.
type Plugin struct {
	Namespace string `json:"ns"`
	Name      string `json:"name"` // PLUGIN.mysql
	Repo      string `json:"repo"` // ORG/PROJECT
	// Interval in seconds. Zero: it runs on demand only, unless it is a Daemon.
	Interval float64 `json:"interval"`
	Daemon   bool    `json:"daemon"`
	// Enabled is false until DisabledUntil.
	Enabled       bool      `json:"enabled"`
	DisabledUntil time.Time `json:"disabled_until,omitzero"`
	Installed     bool      `json:"installed"`
	InstallError  string    `json:"install_error,omitempty"`
	// Commit that is installed, and the Signer whose signature was verified.
	Commit  string `json:"commit,omitempty"`
	Signer  string `json:"signer,omitempty"`
	Running bool   `json:"running"`
	LastRun *Run   `json:"last_run,omitempty"`
	// Invalid says why a metric of the last run could not be sent.
	Invalid string `json:"invalid,omitempty"`
}

// Run is a finished run of a plugin.
type Run struct {
	Time time.Time `json:"time"`
	// Duration in seconds.
	Duration float64 `json:"duration"`
	// Result is one of the words below, or another word for a failure.
	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
	Stderr string `json:"stderr,omitempty"`
}

// Results of runs that are explained in their own way.
const (
	ResultOK     = "ok"
	ResultPolicy = "policy" // the host's config refuses the plugin
)

// Account counts the points of a namespace.
type Account struct {
	Accepted  int64            `json:"accepted"`
	Delivered int64            `json:"delivered"`
	Waiting   int64            `json:"waiting"`
	Dropped   map[string]int64 `json:"dropped,omitempty"` // by reason
}

// Drop tells about points that are being dropped now.
type Drop struct {
	Namespace string    `json:"ns"`
	Reason    string    `json:"reason"`
	Points    int64     `json:"points"`
	Since     time.Time `json:"since"`
	Last      time.Time `json:"last"`
	Error     string    `json:"error,omitempty"`
	// Advice says what to do about it, as a clause.
	Advice string `json:"advice,omitempty"`
}

// Output tells about the output, and about what waits for it.
type Output struct {
	// Error is why it takes no points, since Down. Empty: it takes them.
	Error string    `json:"error,omitempty"`
	Down  time.Time `json:"down,omitzero"`
	// Memory and Disk are how many points wait there, Oldest the time of the oldest.
	Memory int64     `json:"memory"`
	Disk   int64     `json:"disk"`
	Oldest time.Time `json:"oldest,omitzero"`
	// Topics that were written to.
	Topics []Topic `json:"topics,omitempty"`
}

// Topic tells which server acknowledged the last points of a namespace, and when.
type Topic struct {
	Namespace string    `json:"ns"`
	Topic     string    `json:"topic"`
	Server    string    `json:"server"`
	Time      time.Time `json:"time"`
}

// Series has the last value that passed.
type Series struct {
	Namespace string            `json:"ns"`
	Name      string            `json:"name"`
	Tags      map[string]string `json:"tags"`
	Value     any               `json:"value"`
	Time      int64             `json:"time"` // Unix seconds; the point's own
}

// RefusedPost is a post of which a metric was refused.
type RefusedPost struct {
	Time      time.Time `json:"time"`
	Namespace string    `json:"ns"`
	// Name of the measurement, with its prefix.
	Name  string `json:"name"`
	Error string `json:"error"`
	// Partly is whether the other metrics of the post were taken.
	Partly bool `json:"partly,omitempty"`
}
