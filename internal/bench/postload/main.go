//go:build linux

// Command postload measures how fast the stock agent takes posts and what that
// costs. The agent, nsqd and the load generator each have a process of their
// own; a consumer beside nsqd counts the points that arrive.
//
// It prints the metrics that were acknowledged a second and the CPU time that
// the agent took for a million, also by that of two raw limits in the same run:
// decoding and encoding the same bodies and nothing else, and that together
// with an HTTP server that only reads them. Then the latency at half that load,
// the largest memory at full load, at twice as much and while large bodies come
// at once, and whether all that was acknowledged arrived.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/agentbinary"
)

func main() {
	binary := flag.String("agent", "", "agent `binary`; empty: build it")
	other := flag.String("vs", "", "agent `binary` to compare with, such as an earlier version; empty: none")
	period := flag.Duration("for", 10*time.Second, "how long each load lasts")
	queue := flag.Bool("queue", false, "be nsqd and its consumer")
	bare := flag.Bool("bare", false, "be an HTTP server that reads bodies and does nothing with them")
	flag.Parse()
	var err error
	switch {
	case *queue:
		err = runQueue()
	case *bare:
		err = runBare()
	default:
		err = run(*binary, *other, *period)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "postload:", err)
		os.Exit(1)
	}
}

func run(binary, other string, period time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "agent-postload-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if binary == "" {
		if binary, err = agentbinary.Build(context.Background(), dir); err != nil {
			return err
		}
	}
	queue, err := startQueue()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.stop()) }()
	bare, err := startBare()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	m := measurement{queue: queue, bare: bare, period: period}
	for i, binary := range []string{binary, other} {
		if binary == "" {
			continue
		}
		agent, err := startAgent(binary, filepath.Join(dir, fmt.Sprint("agent-", i)), queue.address)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, agent.stop()) }()
		m.agents = append(m.agents, agent)
	}
	return m.run()
}

// stopProcess ends a child and waits for it.
func stopProcess(command *exec.Cmd) error {
	return errors.Join(command.Process.Signal(syscall.SIGTERM), command.Wait())
}
