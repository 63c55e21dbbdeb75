//go:build !linux

package hostmetrics

import (
	"context"
	"time"

	"github.com/lodastack/agent"
)

// systemKinds returns what is measured alike everywhere. What is not known to
// be measured right is absent: of CPU, everything but the sign of life.
func systemKinds(c Config) []Kind {
	return []Kind{
		{"CPU", 10 * time.Second, agent.CollectorFunc(alive)},
		{"TIME", 300 * time.Second, newClock(c)},
		{"COREDUMP", 60 * time.Second, newCoredumps(c)},
		{"PORT", 60 * time.Second, ports{}},
	}
}

func alive(context.Context) ([]agent.Metric, error) {
	return []agent.Metric{{Name: "agent.alive", Value: 1.0}}, nil
}
