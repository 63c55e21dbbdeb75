//go:build linux

// Command fleet lets one process play a fleet of agents. They are real, with names of their
// own, real registries, outputs and spools; only what they measure is replayed. The registry
// and three nsqds run in this process.
//
// It prints what an agent costs, what the fleet asks of registry and nsqd, and goes through a
// bad day: an answer that changes everything, an nsqd of three that dies, a registry that is
// away, and a restart of all agents at once. It fails if an agent needs too much memory, if
// the fleet comes back to the registry in a crowd, or if a point does not arrive.
//
// With -git, every second agent has a fleet repository behind git daemon as its registry.
//
//	registry ◄── agent × N (-play, one process) ──► nsqd × 3 ──► points, each counted once
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var s scenario
	flag.IntVar(&s.agents, "agents", 1000, "number of agents")
	flag.DurationVar(&s.update, "update", 2*time.Minute, "update interval")
	flag.DurationVar(&s.steady, "steady", time.Minute, "how long to measure the fleet at work")
	flag.DurationVar(&s.away, "away", 3*time.Minute, "how long the registry is away")
	flag.StringVar(&s.dir, "dir", "/dev/shm", "directory for states and spools: hosts have a disk each, which one disk is not")
	flag.BoolVar(&s.git, "git", false, "let every second agent have a fleet repository behind git daemon, in place of the lodastack registry")
	orderly := flag.String("play", "", "play the agents of these `orders`, for the process itself")
	flag.Parse()
	var err error
	if *orderly != "" {
		var o orders
		if err = json.Unmarshal([]byte(*orderly), &o); err == nil {
			err = play(o, os.Stdin, os.Stdout)
		}
	} else {
		err = s.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}
