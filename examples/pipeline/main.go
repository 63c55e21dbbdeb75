// Command pipeline is the whole way of a point in one process: the stock agent
// measures this host, publishes to a real nsqd, and a consumer prints what
// arrives there, one line of line protocol a point.
//
//	pipeline -listen 127.0.0.1:1232 -for 5s
//
// Ctrl-C ends it. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lodastack/agent/stock"
)

// namespace of this host. Its topic is collect.demo.
const namespace = "demo"

func main() {
	listen := flag.String("listen", "127.0.0.1:1232", "`address` of the agent's HTTP API")
	duration := flag.Duration("for", 0, "end after this `time`; 0: at Ctrl-C")
	flag.Parse()

	// SIGPIPE: whoever read the points has gone.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	defer stop()
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	if err := run(ctx, *listen, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pipeline:", err)
		os.Exit(1)
	}
}

// run starts from the end of the pipe, and stops from its beginning, so that
// every point arrives.
func run(ctx context.Context, listen string, w io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "pipeline")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	queue, err := startQueue(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.stop()) }()

	printer, err := startPrinter(queue.address(), "collect."+namespace, w)
	if err != nil {
		return err
	}
	defer printer.stop()

	config, err := writeConfig(dir, listen, queue.address())
	if err != nil {
		return err
	}
	if err := stock.Run(ctx, config); err != nil {
		return err
	}
	return printer.drain(queue, 2*time.Second)
}
