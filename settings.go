package agent

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lodastack/agent/internal/httpapi"
)

// settings are what may change while an agent runs. A value that is in force never changes:
// [Agent.Reconfigure] replaces it as a whole.
type settings struct {
	tags           map[string]string
	warnings       []string
	bufferSize     int
	updateInterval time.Duration
	api            httpapi.Config
}

func defaultSettings() settings {
	return settings{bufferSize: 1000, updateInterval: 10 * time.Minute, api: httpapi.DefaultConfig()}
}

// Reconfigure puts other settings in force. The agent need not run yet. Nothing restarts, no
// plugin is ended, and requests under way go on.
//
// opts are all settings, as for [New]: those that they leave out get their defaults. They
// are
//
//   - [WithTags], for the points that are accepted from then on
//   - [WithUpdateInterval]; the next question comes within the new interval
//   - [WithBufferSize]; a smaller buffer drops points with the next one that it gets
//   - [WithWarnings]
//   - [WithControlToken], [WithLocalControl], [WithPluginUsers], [WithPluginUserRange],
//     [WithoutPluginCalls], [WithAPIHosts], [WithAPINamespaces] and [WithMaxBody], from the
//     next request on
//
// Any other option is an error with its name. After an error nothing has changed.
func (a *Agent) Reconfigure(opts ...Option) error {
	next := config{settings: defaultSettings(), made: true}
	if wrong := next.apply(opts); len(wrong) > 0 {
		return newOptionsError("reconfigure the agent", wrong)
	}
	a.putInForce(next.settings)
	a.delivery.SetBufferSize(next.bufferSize)
	a.updates.SetInterval(next.updateInterval)
	return nil
}

// putInForce makes s the settings that are in force.
func (a *Agent) putInForce(s settings) {
	s.api.Logger, s.api.Audit = a.config.logger, a.config.audit
	a.settings.Store(&s)
}

// onlyNewError is the error of an option that cannot change an agent that exists.
type onlyNewError struct{ option string }

func (e *onlyNewError) Error() string {
	return fmt.Sprintf("%s: only New takes this option; make a new agent to change it", e.option)
}

// onlyNew returns an option that [New] takes and [Agent.Reconfigure] refuses.
func onlyNew(name string, set Option) Option {
	return func(c *config) error {
		if c.made {
			return &onlyNewError{name}
		}
		return set(c)
	}
}

// Parts are the parts that options name, nil if they name none. See [SplitOptions].
type Parts struct {
	Registry     Registry
	Output       Output
	Store        Store
	PluginRunner PluginRunner
}

// SplitOptions returns the parts that opts name, and one option for all the rest of opts. A
// program that runs an agent with foreign options makes only the missing parts, because two
// parts of one kind are an error, and can wrap the others. Faults of opts become errors of
// the returned option. [Agent.Reconfigure] takes the returned option, and ignores those of
// opts that are for New only.
func SplitOptions(opts ...Option) (Parts, Option) {
	named := defaultConfig()
	apply := func(c *config) error {
		c.registry, c.output, c.store, c.runner = nil, nil, nil, nil
		wrong := slices.DeleteFunc(c.apply(opts), func(err error) bool { return errors.As(err, new(*onlyNewError)) })
		return errors.Join(wrong...)
	}
	_ = apply(&named) // the option says it
	return Parts{Registry: named.registry, Output: named.output, Store: named.store, PluginRunner: named.runner}, func(c *config) error {
		was := *c
		err := apply(c)
		c.registry, c.output, c.store, c.runner = was.registry, was.output, was.store, was.runner
		return err
	}
}
