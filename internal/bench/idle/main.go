//go:build linux

// Command idle measures what the stock agent costs a host that asks nothing of
// it but the default measurements: memory, CPU time, and the time until its
// first points are in NSQ. nsqd and the registry run in this process, the
// agent in one of its own.
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
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/internal/registrytest"
)

// Bounds of what is measured.
const (
	maxResident = 17 << 20 // bytes
	maxCPU      = 40 * time.Millisecond
	maxFirst    = 2 * time.Second
)

// settling is how long after the start the measurement begins.
const settling = 15 * time.Second

func main() {
	binary := flag.String("agent", "", "agent `binary`; empty: build it")
	period := flag.Duration("for", 2*time.Minute, "how long to measure")
	flag.Parse()
	if err := run(*binary, *period); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

func run(binary string, period time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "agent-idle-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if binary == "" {
		if binary, err = agentbinary.Build(context.Background(), dir); err != nil {
			return err
		}
	}
	nsqd, err := nsqdtest.New(nsqdtest.Options{})
	if err != nil {
		return err
	}
	defer nsqd.Close()
	registry, err := registrytest.NewServer()
	if err != nil {
		return err
	}
	defer registry.Close()
	registry.SetNamespace("idle", "1")
	config := filepath.Join(dir, "agent.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
agent.listen = "127.0.0.1:0"
agent.registryaddr = %q
agent.pluginsdir = "%s/plugins"
agent.pidfile = "%s/agent.pid"
output.servers = [ %q ]
log.logdir = "%s/log"
time.servers = [ "127.0.0.1" ]
`, registry.URL(), dir, dir, nsqd.Addr(), dir), 0o600); err != nil {
		return err
	}
	consumer, err := nsqd.Consume("collect.idle", "idle")
	if err != nil {
		return err
	}
	defer consumer.Close()
	return measure(exec.Command(binary, "start", "-f", config), consumer, period)
}

// measure runs the agent, prints what it costs, and returns an error if
// that is too much.
func measure(command *exec.Cmd, consumer *nsqdtest.Consumer, period time.Duration) (err error) {
	began := time.Now()
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return err
	}
	defer func() {
		stopping := time.Now()
		err = errors.Join(err, command.Process.Signal(syscall.SIGTERM), command.Wait())
		fmt.Printf("idle: stopped in         %8.3f s\n", time.Since(stopping).Seconds())
	}()
	var first time.Duration
	settled := time.After(settling)
	var before usage
	var over <-chan time.Time
	for {
		select {
		case _, ok := <-consumer.Messages:
			if !ok {
				return errors.New("nsqd ended")
			}
			if first == 0 {
				first = time.Since(began)
			}
		case <-settled:
			if before, err = readUsage(command.Process.Pid); err != nil {
				return err
			}
			over = time.After(period)
		case <-over:
			after, err := readUsage(command.Process.Pid)
			if err != nil {
				return err
			}
			return report(first, after, time.Duration(float64(after.cpu-before.cpu)/period.Minutes()))
		}
	}
}

func report(first time.Duration, u usage, perMinute time.Duration) error {
	fmt.Printf("idle: first points after %8.3f s       (at most %.0f)\n", first.Seconds(), maxFirst.Seconds())
	fmt.Printf("idle: resident           %8.1f MiB     (at most %d; %.1f of it anonymous, peak %.1f)\n",
		mib(u.resident), maxResident>>20, mib(u.anonymous), mib(u.peak))
	fmt.Printf("idle: CPU                %8.1f ms/min  (at most %d)\n", perMinute.Seconds()*1e3, maxCPU.Milliseconds())
	switch {
	case first == 0 || first > maxFirst:
		return errors.New("the first points came too late")
	case u.resident > maxResident:
		return errors.New("too much memory is resident")
	case perMinute > maxCPU:
		return errors.New("too much CPU time is used")
	}
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
