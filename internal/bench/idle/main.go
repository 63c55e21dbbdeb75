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
	"github.com/lodastack/agent/internal/bench/usage"
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
	watched := flag.Bool("watched", false, "measure once more, while the page is open")
	flag.Parse()
	if err := run(*binary, *period, *watched); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

func run(binary string, period time.Duration, watched bool) (err error) {
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
api.socket = "%s/agent.sock"
time.servers = [ "127.0.0.1" ]
`, registry.URL(), dir, dir, nsqd.Addr(), dir, dir), 0o600); err != nil {
		return err
	}
	consumer, err := nsqd.Consume("collect.idle", "idle")
	if err != nil {
		return err
	}
	defer consumer.Close()
	m := measurement{command: exec.Command(binary, "start", "-f", config), consumer: consumer, period: period}
	if watched {
		m.socket = filepath.Join(dir, "agent.sock")
	}
	return m.run()
}

// measurement of one agent.
type measurement struct {
	command  *exec.Cmd
	consumer *nsqdtest.Consumer
	period   time.Duration
	socket   string // of the agent's API; empty: nobody looks at the page
}

// run runs the agent, prints what it costs, and returns an error if that is too much.
func (m measurement) run() (err error) {
	began := time.Now()
	m.command.Stderr = os.Stderr
	if err := m.command.Start(); err != nil {
		return err
	}
	defer func() {
		stopping := time.Now()
		err = errors.Join(err, m.command.Process.Signal(syscall.SIGTERM), m.command.Wait())
		fmt.Printf("idle: stopped in         %8.3f s\n", time.Since(stopping).Seconds())
	}()
	if _, ok := <-m.consumer.Messages; !ok {
		return errors.New("nsqd ended")
	}
	first := time.Since(began)
	if err := m.consume(settling); err != nil {
		return err
	}
	idle, after, err := m.spend()
	if err != nil {
		return err
	}
	tooMuch := report(first, after, idle)
	if m.socket == "" {
		return tooMuch
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := watch(ctx, m.socket); err != nil {
		return err
	}
	open, with, err := m.spend()
	fmt.Printf("watched: CPU             %+8.1f ms/min\n", (open-idle).Seconds()*1e3)
	fmt.Printf("watched: resident        %+8.1f MiB\n", mib(with.Resident-after.Resident))
	return errors.Join(tooMuch, err)
}

// spend returns what the agent spends a minute, and what it has used in the end.
func (m measurement) spend() (perMinute time.Duration, after usage.Usage, err error) {
	before, err := usage.Read(m.command.Process.Pid)
	if err != nil {
		return 0, usage.Usage{}, err
	}
	if err := m.consume(m.period); err != nil {
		return 0, usage.Usage{}, err
	}
	after, err = usage.Read(m.command.Process.Pid)
	return time.Duration(float64(after.CPU-before.CPU) / m.period.Minutes()), after, err
}

// consume takes the agent's messages for some time.
func (m measurement) consume(period time.Duration) error {
	over := time.After(period)
	for {
		select {
		case _, ok := <-m.consumer.Messages:
			if !ok {
				return errors.New("nsqd ended")
			}
		case <-over:
			return nil
		}
	}
}

func report(first time.Duration, u usage.Usage, perMinute time.Duration) error {
	fmt.Printf("idle: first points after %8.3f s       (at most %.0f)\n", first.Seconds(), maxFirst.Seconds())
	fmt.Printf("idle: resident           %8.1f MiB     (at most %d; %.1f of it anonymous, peak %.1f)\n",
		mib(u.Resident), maxResident>>20, mib(u.Anonymous), mib(u.Peak))
	fmt.Printf("idle: CPU                %8.1f ms/min  (at most %d)\n", perMinute.Seconds()*1e3, maxCPU.Milliseconds())
	switch {
	case first == 0 || first > maxFirst:
		return errors.New("the first points came too late")
	case u.Resident > maxResident:
		return errors.New("too much memory is resident")
	case perMinute > maxCPU:
		return errors.New("too much CPU time is used")
	}
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
