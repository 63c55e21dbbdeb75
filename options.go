package agent

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/lodastack/agent/internal/audit"
	"github.com/lodastack/agent/internal/machine"
)

// Option configures an [Agent]; see [New] and [Agent.Reconfigure].
type Option func(*config) error

// config collects the options.
type config struct {
	fixed
	settings
	made bool // the agent exists: only the settings can change
}

// fixed is what stays as it is for the life of an agent.
type fixed struct {
	registry        Registry
	output          Output
	store           Store
	runner          PluginRunner
	collectors      []*collection
	logger          *slog.Logger
	audit           audit.Log
	hostname        string
	addresses       func() ([]string, error)
	machine         func() machine.Identity
	stateDir        string
	shutdownTimeout time.Duration
	build           Build
	started         time.Time
	noPage          bool
	dropAdvice      map[string]string    // by reason
	measurements    func() []Measurement // nil: nothing is described
	statsd          func() *StatsdStatus // nil: there is no listener
}

// apply applies the options and returns an error for each that is wrong.
func (c *config) apply(opts []Option) (wrong []error) {
	for _, option := range opts {
		if option == nil {
			continue
		}
		if err := option(c); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

func defaultConfig() config {
	return config{
		fixed: fixed{
			addresses:       machine.Addresses,
			machine:         machine.Read,
			logger:          slog.New(slog.DiscardHandler),
			shutdownTimeout: 10 * time.Second,
			build:           ReadBuild(),
			started:         time.Now(),
		},
		settings: defaultSettings(),
	}
}

// WithRegistry names the [Registry] that says what to collect. Required.
func WithRegistry(r Registry) Option {
	return onlyNew("WithRegistry", func(c *config) error {
		if r == nil {
			return errors.New("WithRegistry: the registry is nil")
		}
		if c.registry != nil {
			return errors.New("WithRegistry: there is a registry already: join them with Registries")
		}
		if several, ok := r.(*joined); ok {
			if err := several.check(); err != nil {
				return fmt.Errorf("WithRegistry: %w", err)
			}
		}
		c.registry = r
		return nil
	})
}

// WithOutput names the [Output] that the points go to. Required. The agent
// closes it at the end of [Agent.Run].
func WithOutput(o Output) Option {
	return onlyNew("WithOutput", func(c *config) error {
		if o == nil {
			return errors.New("WithOutput: the output is nil")
		}
		if c.output != nil {
			return errors.New("WithOutput: there is an output already")
		}
		c.output = o
		return nil
	})
}

// WithStore names the [Store] that keeps points while the output is down. The agent closes it
// at the end of [Agent.Run]. Without one, points wait only in memory, and a post fails while
// the output is down.
func WithStore(s Store) Option {
	return onlyNew("WithStore", func(c *config) error {
		if s == nil {
			return errors.New("WithStore: the store is nil")
		}
		if c.store != nil {
			return errors.New("WithStore: there is a store already")
		}
		c.store = s
		return nil
	})
}

// WithPluginRunner names the [PluginRunner]. Without one, assigned plugins are
// reported as problems and not run.
func WithPluginRunner(r PluginRunner) Option {
	return onlyNew("WithPluginRunner", func(c *config) error {
		if r == nil {
			return errors.New("WithPluginRunner: the runner is nil")
		}
		if c.runner != nil {
			return errors.New("WithPluginRunner: there is a plugin runner already")
		}
		c.runner = r
		return nil
	})
}

// WithCollector adds a [Collector]. It runs once when the first namespace is
// known, and then at the smallest interval that a namespace gives for kind, or at the
// interval every if none does. If every is 0, it runs only if a namespace gives kind an
// interval. every is at most 31 days. The metrics go to every namespace.
//
// kind names the collector in the registry, in the status and in the log. Two
// collectors cannot be of one kind.
func WithCollector(kind string, every time.Duration, collector Collector) Option {
	return onlyNew("WithCollector", func(c *config) error {
		if collector == nil {
			return fmt.Errorf("WithCollector %s: the collector is nil", kind)
		}
		return c.addCollection("WithCollector", &collection{kind: kind, every: every, source: collectHost(collector)})
	})
}

// WithAssignmentCollector adds an [AssignmentCollector]. It runs when a
// [Collector] of [WithCollector] would. The metrics go to the namespaces that it names.
func WithAssignmentCollector(kind string, every time.Duration, collector AssignmentCollector) Option {
	return onlyNew("WithAssignmentCollector", func(c *config) error {
		if collector == nil {
			return fmt.Errorf("WithAssignmentCollector %s: the collector is nil", kind)
		}
		return c.addCollection("WithAssignmentCollector", &collection{kind: kind, every: every, source: collectAssigned(collector)})
	})
}

// addCollection adds the collection of an option.
func (c *config) addCollection(option string, added *collection) error {
	switch {
	case added.kind == "":
		return fmt.Errorf("%s: the kind is empty", option)
	case checkInterval(added.every, 0) != nil:
		return fmt.Errorf("%s %s: %w", option, added.kind, checkInterval(added.every, 0))
	case slices.ContainsFunc(c.collectors, func(other *collection) bool { return other.kind == added.kind }):
		return fmt.Errorf("%s %s: there is a collector of this kind already", option, added.kind)
	}
	c.collectors = append(c.collectors, added)
	return nil
}

// WithLogger makes the agent log to l. By default it does not log. If the handler takes longer
// than a second for a record, records that come meanwhile are dropped. A record that makes it
// panic is dropped, too. Its method Enabled must return at once: the agent waits for it. See [EventKey] for records that programs may act on.
func WithLogger(l *slog.Logger) Option {
	return onlyNew("WithLogger", func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.logger = l
		return nil
	})
}

// WithHostname sets the tag host and the name given to the registry. The
// default is the system's host name, also if that changes.
func WithHostname(name string) Option {
	return onlyNew("WithHostname", func(c *config) error {
		if err := CheckHostname(name); err != nil {
			return fmt.Errorf("WithHostname: %w", err)
		}
		c.hostname = name
		return nil
	})
}

// WithWarnings adds sentences to [Status.Warnings]: facts about the configuration that its
// operator should know, although they are not faults.
func WithWarnings(sentences ...string) Option {
	return func(c *config) error {
		c.warnings = append(c.warnings, sentences...)
		return nil
	}
}

// WithDropAdvice says what to do about points that are dropped for a reason, in the words of the
// program's users: a clause for each reason of [Account.Dropped]. Several options add up.
func WithDropAdvice(advice map[string]string) Option {
	return onlyNew("WithDropAdvice", func(c *config) error {
		all := maps.Clone(c.dropAdvice)
		if all == nil {
			all = make(map[string]string, len(advice))
		}
		maps.Copy(all, advice)
		c.dropAdvice = all
		return nil
	})
}

// WithTags adds tags to every point that has none of the same key, a data
// centre for example. Keys and values have no spaces or control characters, and
// no key is host (see [WithHostname]), time, _field or _measurement. Together they take at
// most 3 KiB.
func WithTags(tags map[string]string) Option {
	return func(c *config) error {
		if err := checkTags(tags, "WithTags: "); err != nil {
			return err
		}
		all := maps.Clone(c.tags) // what is in force never changes
		if all == nil {
			all = make(map[string]string, len(tags))
		}
		maps.Copy(all, tags)
		if err := checkTagsSize(all, "WithTags: "); err != nil {
			return err
		}
		c.tags = all
		return nil
	}
}

// WithStateDir names the directory in which the agent keeps its state from one run to the
// next: the last answer of the registry, the last accepted report, the disabled plugins, and
// the accounts. It is made if it does not exist. Without one, a restart loses the state.
func WithStateDir(dir string) Option {
	return onlyNew("WithStateDir", func(c *config) error {
		if dir == "" {
			return errors.New("WithStateDir: the directory is empty")
		}
		c.stateDir = dir
		return nil
	})
}

// WithBufferSize bounds the number of collected points that wait in memory for
// the output; the oldest are dropped, and counted, to make room for new ones.
// At least 1; the default is 1000.
func WithBufferSize(points int) Option {
	return func(c *config) error {
		if points < 1 {
			return fmt.Errorf("WithBufferSize: %d points are too few", points)
		}
		c.bufferSize = points
		return nil
	}
}

// WithUpdateInterval sets how often the registry is asked. At least a second;
// the default is 10 minutes.
func WithUpdateInterval(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Second {
			return fmt.Errorf("WithUpdateInterval: %s is less than a second", d)
		}
		c.updateInterval = d
		return nil
	}
}

// WithShutdownTimeout bounds how long [Agent.Run] takes to return once its context has ended.
// Runs get half of the time to end. Waiting points are delivered until three seconds of it
// (at most three eighths) are left. The rest is for parts that hang. The default is 10
// seconds.
func WithShutdownTimeout(d time.Duration) Option {
	return onlyNew("WithShutdownTimeout", func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithShutdownTimeout: %s is not positive", d)
		}
		c.shutdownTimeout = d
		return nil
	})
}

// optionsError has all faults of an agent's options.
type optionsError struct {
	doing  string // what they were for
	faults *multierror.Error
}

func newOptionsError(doing string, faults []error) error {
	return &optionsError{doing, multierror.Append(nil, faults...)}
}

// Error names all faults in one line, for a log.
func (e *optionsError) Error() string { return e.doing + ": " + e.join("; ") }

// Unwrap returns the faults.
func (e *optionsError) Unwrap() error { return e.faults }

// Format writes a line for each fault if the verb is %+v, for a terminal, and else the one
// line.
func (e *optionsError) Format(s fmt.State, verb rune) {
	text := e.Error()
	switch {
	case verb == 'q':
		text = fmt.Sprintf("%q", text)
	case verb == 'v' && s.Flag('+') && len(e.faults.Errors) > 1:
		text = e.doing + ":\n  - " + e.join("\n  - ")
	}
	_, _ = io.WriteString(s, text) // fmt ignores write errors, too
}

func (e *optionsError) join(separator string) string {
	faults := make([]string, len(e.faults.Errors))
	for i, fault := range e.faults.Errors {
		faults[i] = strings.ReplaceAll(fault.Error(), "\n", separator) // options join what is wrong with their values
	}
	return strings.Join(faults, separator)
}
