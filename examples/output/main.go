// Command output is an agent whose points go to InfluxDB directly, through an
// output of its own.
//
//	output -url http://127.0.0.1:8086 -ns web
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

func main() {
	address := flag.String("url", "http://127.0.0.1:8086", "`URL` of InfluxDB")
	namespace := flag.String("ns", "demo", "`namespace` of this host")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, "output:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, namespace string) error {
	if namespace == "" {
		return errors.New("the namespace is empty: give one with -ns")
	}
	options := append(stock.HostCollectors(stock.HostConfig{}),
		agent.WithRegistry(agent.StaticRegistry(namespace)),
		agent.WithOutput(&influx{url: address}),
		agent.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))),
	)
	a, err := agent.New(options...)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}
