package statsd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/backoff"
)

const (
	// chunk is about how many metrics are sent at once.
	chunk = 5000
	// Pauses between two attempts to send.
	firstPause, longestPause = time.Second, 10 * time.Second
)

// flushRegularly flushes at each interval until the server stops.
func (s *Server) flushRegularly() {
	ticker := time.NewTicker(s.config.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.stopping.Done():
			return
		}
		if err := s.flush(s.sending); s.sending.Err() != nil {
			s.cut = err
			return
		}
	}
}

// flush sends what was gathered since the last time, and returns when it is safe. After an
// error without an end of ctx nothing is lost: the next flush sends it.
func (s *Server) flush(ctx context.Context) error {
	if s.gatherer.idle(time.Now()) {
		s.report(nil)
		return nil
	}
	namespace, err := s.namespace()
	s.report(err)
	if err != nil {
		return err
	}
	interval := s.gatherer.take(time.Now())
	took := interval.until.Sub(interval.since)
	var metrics []agent.Metric
	for i, series := range interval.series {
		metrics = append(metrics, series.metrics(took, interval.until)...)
		if len(metrics) < chunk && i < len(interval.series)-1 {
			continue
		}
		if err != nil {
			s.lose(len(metrics))
		} else {
			err = s.send(ctx, namespace, metrics)
		}
		metrics = metrics[:0]
	}
	if err == nil {
		s.flushed(namespace, interval.until)
	}
	return err
}

// namespace returns where the metrics go now.
func (s *Server) namespace() (string, error) {
	if s.config.Namespace != "" {
		return s.config.Namespace, nil
	}
	own := s.config.Agent().Namespaces()
	switch len(own) {
	case 0:
		return "", errors.New("its points wait, because no namespace of this host is known yet; to send them elsewhere, set statsd.namespace")
	case 1:
		return own[0], nil
	}
	return "", fmt.Errorf("its points wait, because this host has several namespaces (%s); name one of them in statsd.namespace", strings.Join(own, ", "))
}

// send sends metrics until they are safe or refused for good. If ctx ends before, they are
// lost, and the error says why they were not taken.
func (s *Server) send(ctx context.Context, namespace string, metrics []agent.Metric) error {
	wait := backoff.Backoff{First: firstPause, Most: longestPause}
	for {
		err := s.config.Agent().Post(ctx, namespace, metrics)
		if lost, final := lostOf(err, len(metrics)); final {
			s.sent(len(metrics)-lost, lost, err)
			return nil
		}
		if ctx.Err() == nil {
			s.retry(err)
		}
		if !backoff.Pause(ctx, wait.Next()) {
			s.lose(len(metrics))
			return fmt.Errorf("send the points of statsd: %w", err)
		}
	}
}

// lostOf returns how many metrics are lost after the answer to a post, and whether another
// attempt is useless.
func lostOf(err error, metrics int) (lost int, final bool) {
	var partly *agent.PartlyRefusedError
	var permanent *agent.PermanentError
	var bad *agent.MetricError
	var input *agent.InputError
	switch {
	case err == nil:
		return 0, true
	case errors.As(err, &partly):
		return partly.Points, true
	case errors.As(err, &permanent), errors.As(err, &bad), errors.As(err, &input):
		return metrics, true
	}
	return 0, false
}
