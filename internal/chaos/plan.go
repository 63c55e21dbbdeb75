//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/backoff"
)

// plan says how much is done.
type plan struct {
	seed    uint64
	kills   int           // as many, and
	limit   time.Duration // no life begins after so long
	posters int
	damage  float64 // probability after a kill
	keep    string  // directory that is kept
	verbose bool
}

const (
	// readyPatience is how long a start may take on a loaded machine.
	readyPatience = 20 * time.Second
	// stopPatience is longer than the 10 s that a stop may take.
	stopPatience = 15 * time.Second
	// arrivalPatience is how long the backlog may take to arrive at the end.
	arrivalPatience = 90 * time.Second
)

// chaos carries a plan out.
type chaos struct {
	plan
	*world
	random  *rand.Rand
	report  *report
	posters *posters
	began   time.Time
}

// run returns a report, unless the world could not be made. The error says
// what was not as promised.
func run(ctx context.Context, p plan) (r *report, err error) {
	w, err := newWorld(ctx, p.keep)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	c := &chaos{
		plan: p, world: w, began: time.Now(),
		random: rand.New(rand.NewPCG(p.seed, 0)),
		report: newReport(p.seed, w.noDisk),
	}
	c.posters = startPosters(ctx, p.posters, w.address, postedNamespaces(), w.points)
	defer c.posters.close()
	for first := true; c.report.kills < p.kills && time.Since(c.began) < p.limit; first = false {
		if err := ctx.Err(); err != nil {
			return c.report, err
		}
		if err := c.live(ctx, first); err != nil {
			return c.report, fmt.Errorf("life %d (seed %d): %w", c.report.lives, p.seed, err)
		}
	}
	return c.report, c.compare()
}

// live lets the agent live once.
func (c *chaos) live(ctx context.Context, first bool) (err error) {
	c.report.lives++
	if !first && c.random.IntN(3) == 0 {
		c.note("heal")
		if err := c.heal(); err != nil {
			return err
		}
	}
	p, err := c.start()
	if err != nil {
		return err
	}
	defer func() {
		if p.running() {
			err = errors.Join(err, p.signal(os.Kill, stopPatience))
		}
	}()
	if !first && c.random.IntN(6) == 0 {
		backoff.Pause(ctx, c.between(0, 300*time.Millisecond))
		c.note("kill at start")
		return c.kill(p)
	}
	if err := p.await("/healthz", readyPatience); err != nil {
		return err
	}
	if first {
		if err := p.await("/readyz", readyPatience); err != nil {
			return err
		}
	}
	if err := c.disturb(ctx, p); err != nil {
		return err
	}
	if _, err := p.accounts(); err != nil {
		return err
	}
	if c.random.IntN(10) == 0 {
		c.note("terminate")
		return p.signal(syscall.SIGTERM, stopPatience)
	}
	c.note("kill")
	if c.random.Float64() < c.damage {
		return c.killAndDamage(ctx, p)
	}
	return c.kill(p)
}

// disturb does something a few times.
func (c *chaos) disturb(ctx context.Context, p *process) error {
	all := faults()
	for range 1 + c.random.IntN(4) {
		done, err := all[c.random.IntN(len(all))](c.random, c.world, p)
		c.note(done)
		if err != nil {
			return fmt.Errorf("%s: %w", done, err)
		}
		backoff.Pause(ctx, c.between(50*time.Millisecond, 800*time.Millisecond))
	}
	if !p.running() {
		return fmt.Errorf("the agent has ended by itself: %w", p.err)
	}
	return nil
}

// kill ends the agent as a power cut for the process does.
func (c *chaos) kill(p *process) error {
	c.report.kills++
	return p.signal(os.Kill, stopPatience)
}

// killAndDamage kills the agent when it has a backlog, and damages that.
func (c *chaos) killAndDamage(ctx context.Context, p *process) error {
	_, err := disturbBrokers(c.random, c.world, p)
	if c.disk != nil {
		err = errors.Join(err, c.disk.free())
	}
	for range 100 {
		if segments, _ := filepath.Glob(filepath.Join(c.spool(), "*.db")); len(segments) > 0 {
			break
		}
		backoff.Pause(ctx, 20*time.Millisecond)
	}
	backoff.Pause(ctx, c.between(0, time.Second))
	if err := errors.Join(err, c.kill(p)); err != nil {
		return err
	}
	done, err := damageSpool(c.random, c.spool())
	if done != "" {
		c.report.damages++
		c.note("spool: " + done)
	}
	return err
}

// note counts what was done.
func (c *chaos) note(done string) {
	if done == "" {
		return
	}
	c.report.count(done)
	if c.verbose {
		fmt.Printf("%8.3f  life %d: %s\n", time.Since(c.began).Seconds(), c.report.lives, done)
	}
}

func (c *chaos) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.random.Int64N(int64(most-least)))
}

// pick returns a key by lot.
func pick[K cmp.Ordered, V any](random *rand.Rand, m map[K]V) K {
	return slices.Sorted(maps.Keys(m))[random.IntN(len(m))]
}
