package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
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

// ports measures which TCP ports accept connections, which ports have a socket that listens,
// and how long certificates are valid.
type ports struct{ root string }

var _ agent.AssignmentCollector = ports{}

// attempt is one connection, or one search for a socket. Equal items share it.
type attempt struct {
	at      netip.AddrPort // without an address: any
	udp     bool
	listen  bool // it is looked up
	timeout time.Duration
}

// outcome is 1 or 0, or the error that prevented an answer.
type outcome struct {
	value float64
	err   error
}

// CollectAssigned tries all ports at the same time.
func (p ports) CollectAssigned(ctx context.Context, assignments []agent.Assignment) ([]agent.Batch, error) {
	connect, lookUp := attemptsOf(assignments)
	outcomes := tryPorts(ctx, connect)
	if len(lookUp) > 0 {
		maps.Copy(outcomes, p.lookUp(lookUp))
	}
	certificates := readCertificates(ctx, assignments, outcomes)
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
			c, tried := certificates[handshakeOf(port)]
			switch {
			case !tried:
			case c.err != nil:
				errs = append(errs, fmt.Errorf("reading the certificate of %s: %w", port.Name, c.err))
			default:
				metrics.add(port.Name+".tls.days", c.days, nil)
			}
		}
		if len(metrics) > 0 {
			batches = append(batches, agent.Batch{Namespace: a.Namespace, Metrics: metrics})
		}
	}
	return batches, errors.Join(errs...)
}

func attemptOf(p agent.Port) attempt {
	address, err := netip.ParseAddr(p.Address)
	if err != nil && !p.Listen { // it is empty: agent.CheckPort has checked it
		address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	a := attempt{at: netip.AddrPortFrom(address.Unmap(), uint16(p.Port)), udp: p.Protocol == "udp", timeout: p.Timeout}
	a.listen = a.udp || p.Listen
	if a.timeout <= 0 {
		a.timeout = defaultPortTimeout
	}
	return a
}

// attemptsOf returns each different attempt once.
func attemptsOf(assignments []agent.Assignment) (connect, lookUp []attempt) {
	seen := make(map[attempt]bool)
	for _, a := range assignments {
		for _, port := range a.Ports {
			t := attemptOf(port)
			switch {
			case seen[t]:
			case t.listen:
				lookUp = append(lookUp, t)
			default:
				connect = append(connect, t)
			}
			seen[t] = true
		}
	}
	return connect, lookUp
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
