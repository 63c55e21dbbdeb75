package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/lodastack/agent"
)

const (
	// defaultPortTimeout is the time limit of a port that has none.
	defaultPortTimeout = 3 * time.Second
	// parallelPorts bounds the sockets that are open at a time.
	parallelPorts = 1024
)

// ports tells which TCP ports of the loopback address accept connections.
type ports struct{}

var _ agent.AssignmentCollector = ports{}

// attempt is one connection, for all items that want the same.
type attempt struct {
	port    int
	timeout time.Duration
}

// outcome is 1 or 0, or the error that kept the attempt from saying either.
type outcome struct {
	value float64
	err   error
}

// CollectAssigned tries all ports at the same time.
func (ports) CollectAssigned(ctx context.Context, assignments []agent.Assignment) ([]agent.Batch, error) {
	outcomes := tryPorts(ctx, attemptsOf(assignments))
	var errs []error
	var batches []agent.Batch
	for _, a := range assignments {
		metrics := make(points, 0, len(a.Ports))
		for _, port := range a.Ports {
			if o := outcomes[attemptOf(port)]; o.err == nil {
				metrics.add(port.Name, o.value, nil)
			} else {
				errs = append(errs, fmt.Errorf("trying %s: %w", port.Name, o.err))
			}
		}
		if len(metrics) > 0 {
			batches = append(batches, agent.Batch{Namespace: a.Namespace, Metrics: metrics})
		}
	}
	return batches, errors.Join(errs...)
}

func attemptOf(p agent.Port) attempt {
	if p.Timeout <= 0 {
		return attempt{p.Port, defaultPortTimeout}
	}
	return attempt{p.Port, p.Timeout}
}

// attemptsOf returns each different attempt once.
func attemptsOf(assignments []agent.Assignment) []attempt {
	var attempts []attempt
	seen := make(map[attempt]bool)
	for _, a := range assignments {
		for _, port := range a.Ports {
			if t := attemptOf(port); !seen[t] {
				seen[t] = true
				attempts = append(attempts, t)
			}
		}
	}
	return attempts
}

// outcomeOf judges a failed attempt. Where it is this host that could not
// try, nothing is known of the port.
func outcomeOf(err error) outcome {
	if isShortage(err) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		return outcome{err: err}
	}
	return outcome{}
}

// isShortage reports whether something failed for want of descriptors or memory
// of this process or host, which says nothing of what was to be measured.
func isShortage(err error) bool {
	for _, short := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, short) {
			return true
		}
	}
	return false
}
