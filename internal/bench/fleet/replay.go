//go:build linux

package main

import (
	"context"
	"maps"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

// recording is a kind of measurement of this host. It collects what it has recorded.
type recording struct {
	name    string
	every   time.Duration
	metrics []agent.Metric
}

// record measures this host twice, because rates need two readings. It leaves out the kinds
// that the registry assigns, and the time, which would ask an NTP server.
func record() ([]recording, error) {
	var all []recording
	kinds := stock.HostKinds(stock.HostConfig{Disable: []string{"TIME"}})
	for range 2 {
		all = all[:0]
		for _, kind := range kinds {
			if kind.Collector == nil {
				continue
			}
			metrics, err := kind.Collector.Collect(context.Background())
			if err != nil {
				return nil, err
			}
			all = append(all, recording{kind.Name, kind.Every, metrics})
		}
		time.Sleep(time.Second)
	}
	return all, nil
}

// Collect returns metrics of its own, as a collector does.
func (r recording) Collect(context.Context) ([]agent.Metric, error) {
	metrics := make([]agent.Metric, len(r.metrics))
	for i, m := range r.metrics {
		m.Timestamp, m.Tags = 0, maps.Clone(m.Tags)
		metrics[i] = m
	}
	return metrics, nil
}
