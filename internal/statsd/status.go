package statsd

import (
	"fmt"
	"slices"
	"time"

	"github.com/lodastack/agent"
)

// problem is something that is wrong. Those with one key are one episode, of which the log
// tells once.
type problem struct{ key, text string }

// Keys of problems.
const (
	wrongNamespace = "namespace"
	wrongKernel    = "kernel"
	wrongRoom      = "room"
	wrongLine      = "line"
	wrongSocket    = "socket"
	wrongAgent     = "agent"
)

// Status returns the server's status.
func (s *Server) Status() *agent.StatsdStatus {
	figures, series := s.gatherer.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countDropped()
	status := s.status
	status.Address = s.socket.Address()
	status.Packets, status.Samples, status.SamplesDropped = figures.packets, figures.samples, figures.leftOut
	status.BadLines, status.UnsupportedLines = figures.badLines, figures.unsupported
	status.Series = series
	for _, p := range s.problems {
		status.Problems = append(status.Problems, p.text)
	}
	return &status
}

// countDropped counts what the kernel has dropped. The caller holds mu.
func (s *Server) countDropped() { s.status.PacketsDropped += s.socket.newlyDropped() }

// report notes what was wrong in the interval that ends now. namespace is why its points do
// not go out, nil if they do.
func (s *Server) report(namespace error) {
	figures, _ := s.gatherer.look()
	bad := s.gatherer.takeBad()
	var now []problem
	add := func(key, format string, args ...any) {
		now = append(now, problem{key, fmt.Sprintf(format, args...)})
	}
	s.mu.Lock()
	s.countDropped()
	before := s.reported
	s.reported = reported{figures, s.status.PacketsDropped}
	if namespace != nil {
		add(wrongNamespace, "%v", namespace)
	}
	if n := s.reported.dropped - before.dropped; n > 0 {
		add(wrongKernel, "the kernel dropped packets (%d), because its buffer was full: raise net.core.rmem_max to %d and restart the agent, or let the clients send less (sample rates, several metrics in a packet)", n, bufferSize)
	}
	if n := figures.leftOut - before.leftOut; n > 0 {
		add(wrongRoom, "samples were left out (%d), because there are too many series or members of sets: take values that vary without end out of names, tags and sets", n)
	}
	if n := figures.badLines - before.badLines; n > 0 && bad != "" {
		add(wrongLine, "bad lines came (%d), the first one %s", n, bad)
	}
	s.mu.Unlock()
	s.replace([]string{wrongNamespace, wrongKernel, wrongRoom, wrongLine}, now)
}

// reported are the figures at the last report.
type reported struct {
	counts
	dropped int64 // by the kernel
}

// retry notes that metrics wait, because the agent does not take them.
func (s *Server) retry(err error) {
	s.replace([]string{wrongAgent}, []problem{{wrongAgent, fmt.Sprintf("its points wait: %v", err)}})
}

// sent counts metrics that the agent took, and those that it refused for good.
func (s *Server) sent(taken, lost int, err error) {
	var now []problem
	if lost > 0 {
		now = []problem{{wrongAgent, fmt.Sprintf("points were refused for good (%d): %v", lost, err)}}
	}
	s.replace([]string{wrongAgent}, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Points += int64(taken)
	s.status.PointsLost += int64(lost)
}

// lose counts metrics that do not get out any more.
func (s *Server) lose(metrics int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.PointsLost += int64(metrics)
}

// flushed notes that the points of an interval are safe.
func (s *Server) flushed(namespace string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Namespace, s.status.Flushed = namespace, until
}

// replace replaces the problems with these keys, and logs those that are new.
func (s *Server) replace(keys []string, now []problem) {
	s.mu.Lock()
	known := make(map[string]bool)
	for _, p := range s.problems {
		known[p.key] = true
	}
	s.problems = slices.DeleteFunc(s.problems, func(p problem) bool { return slices.Contains(keys, p.key) })
	s.problems = append(s.problems, now...)
	s.mu.Unlock()
	for _, p := range now {
		if !known[p.key] {
			s.config.Logger.Warn("statsd: " + p.text)
		}
	}
}
