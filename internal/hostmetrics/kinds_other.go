//go:build !linux

package hostmetrics

import (
	"context"
	"time"

	"github.com/lodastack/agent"
)

// systemKinds returns the kinds that work on every system. Of CPU, that is only
// agent.alive.
func systemKinds(c Config) []Kind {
	return []Kind{
		{Name: "CPU", Every: 10 * time.Second, Collector: agent.CollectorFunc(alive)},
		{Name: "TIME", Every: 300 * time.Second, Collector: newClock(c)},
		{Name: "COREDUMP", Every: 60 * time.Second, Collector: newCoredumps(c)},
		{Name: "PORT", Every: 60 * time.Second, Assigned: ports{}},
	}
}

func alive(context.Context) ([]agent.Metric, error) {
	return []agent.Metric{{Name: "agent.alive", Value: 1.0}}, nil
}
