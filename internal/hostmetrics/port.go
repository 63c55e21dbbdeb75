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
	// defaultPortTimeout is the timeout of a port that sets none.
	defaultPortTimeout = 3 * time.Second
	// parallelPorts limits how many sockets are open at a time.
	parallelPorts = 1024
)

// ports measures which TCP ports of the loopback address accept connections.
type ports struct{}

var _ agent.AssignmentCollector = ports{}

// attempt is one connection. Items with the same port and timeout share it.
type attempt struct {
	port    int
	timeout time.Duration
}

// outcome is 1 or 0, or the error that prevented an answer.
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

// outcomeOf returns the outcome of a failed attempt. If this host could not
// make the attempt, the outcome is an error: nothing is known of the port.
func outcomeOf(err error) outcome {
	if isShortage(err) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		return outcome{err: err}
	}
	return outcome{}
}

// isShortage reports whether an error is a shortage of descriptors or memory in
// this process or host. Such an error says nothing about the measured thing.
func isShortage(err error) bool {
	for _, short := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, short) {
			return true
		}
	}
	return false
}
