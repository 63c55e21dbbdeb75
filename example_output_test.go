package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/lodastack/agent"
)

// table is an output that keeps the last value of each measurement. Write is
// called concurrently.
type table struct {
	mu   sync.Mutex
	last map[string]any // guarded by mu
}

func (t *table) Write(_ context.Context, b agent.Batch) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range b.Metrics {
		if _, isText := m.Value.(string); isText {
			// Trying again would not help: the agent drops the batch and counts it.
			return agent.Permanent(errors.New("a table holds no texts"))
		}
		t.last[b.Namespace+" "+m.Name] = m.Value
	}
	return nil // the batch is safe
}

// Close may be called more than once.
func (t *table) Close(context.Context) error { return nil }

// An output of one's own.
func ExampleOutput() {
	t := &table{last: make(map[string]any)}
	a, err := agent.New(agent.WithRegistry(agent.StaticRegistry("shop")), agent.WithOutput(t))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	fmt.Println(a.Send(ctx, "shop", []agent.Metric{{Name: "orders", Value: 12}}))
	fmt.Println(a.Send(ctx, "shop", []agent.Metric{{Name: "state", Value: "open"}}))
	fmt.Println(t.last)
	// Output:
	// <nil>
	// send 1 metrics to namespace shop: a table holds no texts
	// map[shop orders:12]
}
