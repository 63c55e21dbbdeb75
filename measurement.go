package agent

import (
	"errors"

	"github.com/lodastack/agent/internal/httpapi"
)

// Measurement describes what a [Collector] measures. See [WithMeasurements].
type Measurement struct {
	// Kind of the collector, as in [WithCollector].
	Kind string
	// Name of the metrics. NAME in it stands for the name of the item that is
	// measured, PORT.sshd.22 for example.
	Name string
	// Unit of the value, such as "%" or "B/s"; empty for a plain number.
	Unit string
	// Meaning in a sentence, without a full stop.
	Meaning string
	// Absent says when a run that went well has no such metric, as a clause: "the speed
	// is unknown". Empty: never.
	Absent string
	// Off says why the agent has no collector for it, as a clause. Empty: it has one.
	Off string
	// LeftOut says what of the host the measurement does not have by the config, and why, as
	// clauses: "eth1: collect.exclude.interfaces has eth1". It is called when somebody asks
	// why something is missing, from any goroutine. Nil: nothing is left out.
	LeftOut func() []string
}

// WithMeasurements describes what collectors measure, for the help texts of
// /metrics/host and for /me/explain. describe is called when somebody asks, from any goroutine.
// Several options add up. By default nothing is described.
func WithMeasurements(describe func() []Measurement) Option {
	return onlyNew("WithMeasurements", func(c *config) error {
		if describe == nil {
			return errors.New("WithMeasurements: the function is nil")
		}
		before := c.measurements
		c.measurements = func() []Measurement {
			if before == nil {
				return describe()
			}
			return append(before(), describe()...)
		}
		return nil
	})
}

func (a apiAgent) Measurements() []httpapi.Measurement {
	if a.config.measurements == nil {
		return nil
	}
	described := a.config.measurements()
	list := make([]httpapi.Measurement, len(described))
	for i, m := range described {
		list[i] = httpapi.Measurement{Name: m.Name, Unit: m.Unit, Meaning: m.Meaning}
	}
	return list
}
