//go:build linux

// Command chaos kills real agents, stops their nsqds and registry, fills their disk, damages
// their files, and counts the points that get lost.
//
//	go run ./internal/chaos -kills 100 -for 10m
//
// It builds the stock agent and runs it against two nsqds and a registry of its own. All the
// time it posts points, each with a number. At the end every point of a post that was answered
// with 200 must have come out of NSQ, and the agent's accounts must balance.
//
//	plan, fault        which fault comes when; disk, damage, broker, process: how it is made
//	world, plugin      the agent's surroundings
//	poster, points     posts, and the numbers of their points
//	compare, report      what was lost, and what is printed
//
// The seed, which is printed, determines the plan of faults, but not their exact timing.
//
// The nsqds are stopped as by SIGTERM, after their clients were disconnected and their
// consumers have left. nsqd keeps messages in memory, and no agent can prevent the loss of
// acknowledged messages when nsqd itself is killed.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var p plan
	flag.Uint64Var(&p.seed, "seed", rand.Uint64(), "`number` from which the plan follows")
	flag.IntVar(&p.kills, "kills", 100, "kill the agent `n` times")
	flag.DurationVar(&p.limit, "for", 10*time.Minute, "begin no further life of the agent after this `time`")
	flag.IntVar(&p.posters, "posters", 8, "`n` callers post at a time")
	flag.Float64Var(&p.damage, "damage", 0, "`probability` that a kill is followed by damage to the spool's files")
	flag.StringVar(&p.keep, "keep", "", "`directory` for the agent's files, to be looked at afterwards; it must not exist")
	flag.BoolVar(&p.verbose, "v", false, "say what is done while it is done")
	flag.Parse()

	// Who reads the report may go: the agent and the disk must not be left.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := run(ctx, p)
	if report != nil {
		fmt.Print(report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}
