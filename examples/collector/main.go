// Command collector is the stock agent with a collector of its own: it runs
// what the config file says, and measures the program's queue besides.
//
//	collector -f /etc/agent.conf
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

func main() {
	config := flag.String("f", stock.DefaultPath, "config `file`")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	queue := make(chan string, 100) // what the program really does
	queue <- "a job"
	measure := agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
		return []agent.Metric{
			{Name: "queue.length", Value: len(queue), Tags: map[string]string{"queue": "jobs"}},
			{Name: "queue.full", Value: len(queue) == cap(queue), Tags: map[string]string{"queue": "jobs"}},
		}, nil
	})

	// Every ten seconds, unless the registry has an interval for the kind QUEUE.
	if err := stock.Run(ctx, *config, agent.WithCollector("QUEUE", 10*time.Second, measure)); err != nil {
		fmt.Fprintln(os.Stderr, "collector:", err)
		os.Exit(1)
	}
}
