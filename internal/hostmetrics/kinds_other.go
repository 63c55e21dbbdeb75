//go:build !linux && !darwin && !windows

package hostmetrics

import (
	"context"
	"time"

	"github.com/lodastack/agent"
)

// systemKinds returns the kinds that work on every system. Of CPU, that is only
// agent.alive.
func systemKinds(c Config) []Kind {
	return append([]Kind{{Name: "CPU", Every: 10 * time.Second, Collector: agent.CollectorFunc(alive)}}, commonKinds(c)...)
}

func alive(context.Context) ([]agent.Metric, error) {
	return []agent.Metric{{Name: "agent.alive", Value: 1.0}}, nil
}
