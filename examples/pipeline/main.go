// Command pipeline is the whole way of a point in one process: the stock agent
// measures this host and publishes to a real nsqd, and a consumer tells once a
// second what arrives there.
//
//	pipeline -listen 127.0.0.1:1232 -for 5s -points
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
	listen := flag.String("listen", "", "`address` of the agent's HTTP API (default 127.0.0.1:1232, or a free port if that is taken)")
	duration := flag.Duration("for", 0, "end after this `time`; 0: at Ctrl-C")
	points := flag.Bool("points", false, "print each point, in place of a line a second")
	flag.Parse()

	// SIGPIPE: whoever read the points has gone.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	defer stop()
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	if err := run(ctx, *listen, *points, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pipeline:", err)
		os.Exit(1)
	}
}

// run starts from the end of the pipe, and stops from its beginning, so that
// every point arrives.
func run(ctx context.Context, listen string, points bool, w io.Writer) (err error) {
	address, err := chooseAddress(listen)
	if err != nil {
		return err
	}
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

	arrived := &summary{}
	take := arrived.add
	if points {
		take = func(lines []byte) error { _, err := w.Write(lines); return err }
	}
	consumer, err := consume(queue.address(), "collect."+namespace, take)
	if err != nil {
		return err
	}
	defer consumer.stop()

	config, err := writeConfig(dir, address, queue.address())
	if err != nil {
		return err
	}
	if !points {
		writeGuide(w, address, queue.address(), dir)
		stop := arrived.print(w, queue.waiting)
		defer stop()
	}
	if err := stock.Run(ctx, config); err != nil {
		return err
	}
	return consumer.drain(queue, 2*time.Second)
}
