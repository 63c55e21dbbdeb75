package stock_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

// A daemon that has an HTTP server already runs the agent of a config file in
// itself, and serves its API below a path of its own.
func ExampleOpen() {
	measure := agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
		return []agent.Metric{{Name: "queue.depth", Value: 7}}, nil
	})
	run := func(ctx context.Context, path string) (err error) {
		a, err := stock.Open(path, agent.WithCollector("QUEUE", 10*time.Second, measure))
		if err != nil {
			return err // everything that is wrong with the file, line by line
		}
		defer func() { err = errors.Join(err, a.Close()) }()
		http.Handle("/agent/", http.StripPrefix("/agent", a.Handler()))
		return a.Run(ctx)
	}
	if err := run(context.Background(), stock.DefaultPath); err != nil {
		log.Fatal(err)
	}
}
