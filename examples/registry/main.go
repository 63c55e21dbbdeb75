// Command registry is an agent that a registry of its own tells what to
// collect. Its points go to standard output.
//
//	registry -inventory fleet.json
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

func main() {
	file := flag.String("inventory", "fleet.json", "`file` that says which hosts are in which namespace")
	hostname := flag.String("hostname", "", "`name` of this host; by default the system's")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *file, *hostname); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file, hostname string) error {
	options := append(stock.HostCollectors(stock.HostConfig{}),
		agent.WithRegistry(inventory(file)),
		agent.WithOutput(agent.NewWriterOutput(os.Stdout)),
		agent.WithUpdateInterval(time.Minute),
		agent.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))),
	)
	if hostname != "" {
		options = append(options, agent.WithHostname(hostname))
	}
	a, err := agent.New(options...)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}
