//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lodastack/agent/internal/registrytest"
)

// Bounds of what is measured.
const (
	maxResident = 1 << 20 // bytes an agent
	leastSpread = 50 * time.Second
)

// patience is how long the fleet may take for one step, beside the update interval.
const patience = 2 * time.Minute

// scenario is a day of a fleet.
type scenario struct {
	agents               int
	update, steady, away time.Duration
	dir                  string
	git                  bool // every second agent has the repository

	registry   *registry
	repository *repository // nil: no agent has it
	queue      *queue
	orders     orders
	process    *process
	wrong      []error
}

func (s *scenario) run() (err error) {
	dir, err := os.MkdirTemp(s.dir, "agent-fleet-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.registry, err = newRegistry(); err != nil {
		return err
	}
	defer s.registry.close()
	s.registry.SetNamespace("fleet.base", "1", items()...)
	s.registry.SetNamespace("fleet.web", "2", items()...)
	if s.git {
		if s.repository, err = newRepository(filepath.Join(dir, "repository")); err != nil {
			return err
		}
		defer s.repository.away()
		if err := s.repository.set("fleet.base", "fleet.web"); err != nil {
			return err
		}
	}
	s.queue, err = newQueue(dir, []string{"collect.fleet.base", "collect.fleet.web", "collect.fleet.shop", "collect.fleet.new"})
	if err != nil {
		return err
	}
	defer s.queue.close()
	s.orders = orders{Agents: s.agents, Dir: dir, Registry: "http://" + s.registry.address, Servers: s.queue.addresses(), Update: s.update}
	if s.git {
		s.orders.Git = s.repository.url()
	}
	defer func() {
		if s.process != nil {
			s.process.kill()
		}
	}()
	for _, step := range []func() error{s.start, s.work, s.changeEverything, s.killServer, s.registryAway, s.restart, s.stop} {
		if err := step(); err != nil {
			return err
		}
	}
	return errors.Join(s.wrong...)
}

// items are those of a namespace, as a registry has them.
func items() (list []registrytest.Item) {
	for _, kind := range []string{"CPU", "MEM", "DISK", "NET"} {
		list = append(list, registrytest.Item{"measurement_type": kind, "name": kind, "interval": "10"})
	}
	return append(list, registrytest.Item{"measurement_type": "FS", "name": "FS", "interval": "300"})
}

func (s *scenario) say(format string, args ...any) { fmt.Printf("fleet: "+format+"\n", args...) }

// fail notes that a bound is not kept.
func (s *scenario) fail(format string, args ...any) {
	s.say("FAILS: "+format, args...)
	s.wrong = append(s.wrong, fmt.Errorf(format, args...))
}

// count begins to count the requests anew.
func (s *scenario) count() {
	s.registry.count()
	if s.git {
		s.repository.count()
	}
}

// sayRequests says how many requests there were since count, so long ago.
func (s *scenario) sayRequests(since time.Duration) {
	say := func(server string, r *requests) {
		all, busiest := r.counted()
		s.say("  %s: %d requests, %.1f/s, %d in the busiest second", server, all, float64(all)/since.Seconds(), busiest)
	}
	say("registry", &s.registry.requests)
	if s.git {
		say("git daemon", &s.repository.requests)
	}
}

// await waits until a report is good.
func (s *scenario) await(what string, good func(report) bool) (report, error) {
	deadline := time.Now().Add(s.update + patience)
	for {
		r, err := s.process.report()
		if err != nil {
			return r, fmt.Errorf("%s: %w", what, err)
		}
		if good(r) {
			return r, nil
		}
		if time.Now().After(deadline) {
			return r, fmt.Errorf("%s: not within %v: %+v", what, s.update+patience, r.Namespaces)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// allSince is true of a report if each agent had a good answer since then.
func allSince(since time.Time) func(report) bool {
	return func(r report) bool { return r.Answered[0].After(since) }
}

func (s *scenario) start() (err error) {
	s.count()
	began := time.Now()
	if s.process, err = start(s.orders); err != nil {
		return err
	}
	if _, err = s.await("start", allSince(began)); err != nil {
		return err
	}
	s.say("%d agents know their namespaces %.1f s after the start of the process", s.agents, time.Since(began).Seconds())
	s.sayRequests(time.Since(began))
	return nil
}

// work measures the fleet at work.
func (s *scenario) work() error {
	time.Sleep(s.update) // the second questions, after random parts of the interval
	before, err := s.process.usage()
	if err != nil {
		return err
	}
	s.count()
	points, _ := s.queue.counted()
	time.Sleep(s.steady)
	after, err := s.process.usage()
	if err != nil {
		return err
	}
	more, _ := s.queue.counted()
	r, err := s.process.report()
	if err != nil {
		return err
	}
	agents, seconds := float64(s.agents), s.steady.Seconds()
	most := int64(s.agents) * 100 // points of a few seconds
	s.say("an agent: %.0f KiB resident (heap %.0f, stacks %.0f), %.1f goroutines, %.1f ms CPU a minute, %.1f points/s",
		float64(after.Resident)/1024/agents, float64(r.Heap)/1024/agents, float64(r.Stacks)/1024/agents,
		float64(r.Goroutines)/agents, (after.CPU-before.CPU).Seconds()*1000*60/seconds/agents, float64(more-points)/seconds/agents)
	s.say("the fleet: %.0f points/s, %d wait; its update interval is %v", float64(more-points)/seconds, r.Waiting, s.update)
	s.sayRequests(s.steady)
	if r.Waiting > most {
		s.fail("%d points wait: this machine is too slow for so many agents, so the figures are not theirs", r.Waiting)
	}
	if after.Resident > maxResident*int64(s.agents) {
		s.fail("an agent has %d KiB resident; at most %d", after.Resident/1024/int64(s.agents), maxResident/1024)
	}
	return nil
}

// changeEverything replaces all that is assigned by something else.
func (s *scenario) changeEverything() error {
	before, err := s.process.usage()
	if err != nil {
		return err
	}
	s.registry.SetNamespace("fleet.shop", "3", items()...)
	s.registry.SetNamespace("fleet.new", "4", items()...)
	s.registry.RemoveNamespace("fleet.base")
	s.registry.RemoveNamespace("fleet.web")
	if s.git {
		if err := s.repository.set("fleet.shop", "fleet.new"); err != nil {
			return err
		}
	}
	s.count()
	changed := time.Now()
	_, err = s.await("change everything", func(r report) bool { return r.Namespaces["fleet.shop"] == s.agents && r.Namespaces["fleet.web"] == 0 })
	if err != nil {
		return err
	}
	took := time.Since(changed)
	after, err := s.process.usage()
	if err != nil {
		return err
	}
	s.say("an answer that changes everything is in force everywhere after %.1f s; an agent used %.2f ms of CPU time meanwhile, all included",
		took.Seconds(), (after.CPU-before.CPU).Seconds()*1000/float64(s.agents))
	s.sayRequests(took)
	return nil
}

// killServer stops the nsqd that the points go to.
func (s *scenario) killServer() error {
	server := s.queue.busy()
	points, _ := s.queue.counted()
	server.Stop()
	const during = 30 * time.Second
	time.Sleep(during)
	more, _ := s.queue.counted()
	r, err := s.process.report()
	if err != nil {
		return err
	}
	s.say("with one nsqd of three down: %.0f points/s arrive; %d wait; the output of %d agents is down",
		float64(more-points)/during.Seconds(), r.Waiting, r.OutputFails)
	return server.Restart()
}

// registryAway takes the registry away and looks how the fleet comes back.
func (s *scenario) registryAway() error {
	s.registry.away()
	if s.git {
		s.repository.away()
	}
	time.Sleep(s.away)
	r, err := s.process.report()
	if err != nil {
		return err
	}
	failing, inForce := r.RegistryFails, r.Namespaces["fleet.shop"]
	s.count()
	back := time.Now()
	if err := s.registry.open(); err != nil {
		return err
	}
	if s.git {
		if err := s.repository.open(); err != nil {
			return err
		}
	}
	if r, err = s.await("come back to the registry", allSince(back)); err != nil {
		return err
	}
	at := func(part float64) float64 { return r.Answered[int(part*float64(s.agents-1))].Sub(back).Seconds() }
	s.say("the registry was away for %v: %d agents said so, and %d kept their namespaces", s.away, failing, inForce)
	s.say("back at the registry: half of the agents after %.1f s, nine of ten after %.1f s, all after %.1f s", at(0.5), at(0.9), at(1))
	s.sayRequests(time.Since(back))
	if r.Answered[s.agents-1].Sub(back) < leastSpread && s.update > time.Minute {
		s.fail("all agents came back within %.1f s; they should take %v or more", at(1), leastSpread)
	}
	return nil
}

// restart stops all agents and starts them at once.
func (s *scenario) restart() error {
	stopping := time.Now()
	r, err := s.process.stop()
	if err != nil {
		return err
	}
	s.process = nil
	s.say("all agents stop in %.1f s; %d points wait on disk", time.Since(stopping).Seconds(), r.Waiting)
	return s.start()
}

// stop stops the fleet and counts the points.
func (s *scenario) stop() error {
	r, err := s.process.stop()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	points, received := s.queue.counted()
	for points < r.Accepted-r.Waiting-r.Dropped && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
		points, received = s.queue.counted()
	}
	s.say("points: %d accepted, %d arrived (%d came again), %d wait on disk, %d dropped", r.Accepted, points, received-points, r.Waiting, r.Dropped)
	if points < r.Accepted-r.Waiting || r.Dropped > 0 {
		s.fail("%d points are lost", r.Accepted-r.Waiting-points)
	}
	return nil
}
