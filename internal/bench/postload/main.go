//go:build linux

// Command postload measures how fast the stock agent takes posts and what that
// costs. The agent, nsqd and the load generator each have a process of their
// own; a consumer beside nsqd counts the points that arrive.
//
// It prints the metrics that were acknowledged a second and the CPU time that
// the agent took for a million, the latency at half that load, the largest
// memory at full load, at twice as much and while large bodies come at once, and
// whether all that was acknowledged arrived.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Bounds of what is measured.
const (
	minRate = 250_000 // metrics acknowledged a second
	maxCPU  = 4.0     // seconds a million metrics
	maxP99  = 10 * time.Millisecond
	maxPeak = 120 << 20 // bytes
)

func main() {
	binary := flag.String("agent", "", "agent `binary`; empty: build it")
	period := flag.Duration("for", 10*time.Second, "how long each of the three loads lasts")
	queue := flag.Bool("queue", false, "be nsqd and its consumer")
	flag.Parse()
	var err error
	if *queue {
		err = runQueue()
	} else {
		err = run(*binary, *period)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "postload:", err)
		os.Exit(1)
	}
}

func run(binary string, period time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "agent-postload-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if binary == "" {
		if binary, err = build(dir); err != nil {
			return err
		}
	}
	queue, err := startQueue()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.stop()) }()
	agent, err := startAgent(binary, dir, queue.address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, agent.stop()) }()
	return measure(agent, queue, period)
}

// build builds the stock agent as it is shipped.
func build(dir string) (string, error) {
	binary := filepath.Join(dir, "agent")
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/lodastack/agent/cmd/agent")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	return binary, command.Run()
}

// measure puts three loads on the agent.
func measure(agent *agentProcess, queue *queueProcess, period time.Duration) error {
	bodies := makeBodies()
	if _, err := agent.load(load{connections: 8, bodies: bodies, period: time.Second}); err != nil { // warm
		return err
	}
	full, err := agent.load(load{connections: 8, bodies: bodies, period: period})
	if err != nil {
		return err
	}
	half, err := agent.load(load{connections: 8, bodies: bodies, period: period, rate: full.rate() / 2})
	if err != nil {
		return err
	}
	twice, err := agent.load(load{connections: 256, bodies: bodies, period: period, rate: full.rate() * 2})
	if err != nil {
		return err
	}
	large, err := agent.loadLarge()
	if err != nil {
		return err
	}
	arrived, err := queue.await(agent.acknowledged)
	if err != nil {
		return err
	}

	fmt.Printf("full load:  %8.0f metrics/s acknowledged (at least %d), %d posts refused\n", full.rate(), minRate, full.refused)
	fmt.Printf("            %8.2f CPU s a million metrics (at most %.0f)\n", full.cpuPerMillion(), maxCPU)
	fmt.Printf("            %8.1f MiB resident at most (at most %d)\n", mib(full.peak), maxPeak>>20)
	fmt.Printf("half load:  %8.0f metrics/s acknowledged, latency p50 %.2f ms, p99 %.2f ms (at most %d), largest %.2f ms\n",
		half.rate(), ms(half.quantile(0.5)), ms(half.quantile(0.99)), maxP99.Milliseconds(), ms(half.quantile(1)))
	fmt.Printf("twice:      %8.0f metrics/s acknowledged, %d of %d posts refused, latency p99 %.0f ms\n",
		twice.rate(), twice.refused, twice.refused+twice.posts, ms(twice.quantile(0.99)))
	fmt.Printf("            %8.1f MiB resident at most (at most %d)\n", mib(twice.peak), maxPeak>>20)
	fmt.Printf("large:      %8d bodies of %d MiB at once, %d of them refused, %.1f MiB resident at most (at most %d)\n",
		largeBodies, largeBody>>20, large.refused, mib(large.peak), maxPeak>>20)
	fmt.Printf("arrived:    %8d of %d acknowledged metrics\n", arrived, agent.acknowledged)
	var wrong []error
	failed := func(bad bool, what string) {
		if bad {
			wrong = append(wrong, errors.New(what))
		}
	}
	failed(full.rate() < minRate, "too few metrics were acknowledged")
	failed(full.refused > 0, "posts were refused at full load")
	failed(full.cpuPerMillion() > maxCPU, "too much CPU time was used")
	failed(half.quantile(0.99) > maxP99, "posts took too long at half load")
	failed(max(full.peak, twice.peak, large.peak) > maxPeak, "too much memory was resident")
	failed(arrived < agent.acknowledged, "acknowledged metrics did not arrive")
	return errors.Join(wrong...)
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

// stopProcess ends a child and waits for it.
func stopProcess(command *exec.Cmd) error {
	return errors.Join(command.Process.Signal(syscall.SIGTERM), command.Wait())
}
