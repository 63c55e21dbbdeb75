// Package schedule runs jobs again and again, each at its own interval and at
// its own phase of it, so that many jobs on many hosts do not start together.
//
//	Set(jobs) ──► an entry and a goroutine for each job ──► Run at phase, phase+interval, …
//
// A job never overlaps itself: starts during a run are skipped. Starts follow the
// monotonic clock, so a jump of the wall clock does not move them.
//
// A [Poll] asks again and again, and on request. [Slots] limit how many do something at a
// time.
package schedule

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/waitgroup"
)

// Job is something that runs again and again, and never overlaps itself.
type Job struct {
	// Interval between two starts; above 0, and at most 100 years.
	Interval time.Duration
	// Phase of the starts within the interval, from 0 to below Interval; see
	// [PhaseOf].
	Phase time.Duration
	// AtOnce makes the job start when it is scheduled, too. The first regular
	// start follows no sooner than half an interval later.
	AtOnce bool
	// Run is called for each start. ctx ends when the job is taken off the
	// schedule or the schedule ends.
	Run func(ctx context.Context)
}

// same reports whether other runs at the same times.
func (j Job) same(other Job) bool { return j.Interval == other.Interval && j.Phase == other.Phase }

// Schedule runs jobs, each in a goroutine of its own, until its context ends. Its
// methods are safe for concurrent use.
type Schedule struct {
	ctx     context.Context
	running sync.WaitGroup

	mu      sync.Mutex
	entries map[string]entry // guarded by mu; by the job's name
}

// entry is a job on the schedule.
type entry struct {
	job  Job
	stop context.CancelFunc
	done chan struct{}              // closed when the job's goroutine has ended
	due  *atomic.Pointer[time.Time] // the next start; nil while the job runs
}

// New returns an empty schedule whose jobs run until ctx ends.
func New(ctx context.Context) *Schedule {
	return &Schedule{ctx: ctx, entries: make(map[string]entry)}
}

// Set makes jobs, by name, the whole schedule. New jobs start, jobs whose times have
// changed start anew, jobs that are not named stop, and all others continue undisturbed.
func (s *Schedule) Set(jobs map[string]Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range s.entries {
		if _, wanted := jobs[name]; !wanted {
			e.stop()
			delete(s.entries, name)
		}
	}
	for name, j := range jobs {
		old, present := s.entries[name]
		if present && old.job.same(j) {
			continue
		}
		var predecessor chan struct{}
		if present {
			old.stop()
			predecessor = old.done
			j.AtOnce = false // it has just run
		}
		s.entries[name] = s.start(j, predecessor)
	}
}

// start runs the job once its predecessor, if there is one, has ended.
func (s *Schedule) start(j Job, predecessor <-chan struct{}) entry {
	ctx, stop := context.WithCancel(s.ctx)
	e := entry{job: j, stop: stop, done: make(chan struct{}), due: new(atomic.Pointer[time.Time])}
	s.running.Go(func() {
		defer close(e.done)
		defer stop()
		if predecessor != nil {
			<-predecessor
		}
		j.loop(ctx, e.due)
	})
	return e
}

// Overdue returns the names of the jobs whose start is late by more than the given time,
// because their timers no longer fire. A running job is not overdue, however long it
// takes.
func (s *Schedule) Overdue(late time.Duration) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range s.entries {
		if due := e.due.Load(); due != nil && time.Since(*due) > late && s.ctx.Err() == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Wait returns when all jobs have ended, or with an error when ctx ends first. Jobs end
// when the schedule's context ends.
func (s *Schedule) Wait(ctx context.Context) error { return waitgroup.Wait(ctx, &s.running) }

// RunTime returns how long a run of a job may take at most so that its next start does not
// fall out: a little less than the interval.
func RunTime(interval time.Duration) time.Duration {
	return interval - min(interval/10, 500*time.Millisecond)
}

// Hangs reports whether a run of a job that goes on for age should have ended long ago.
func Hangs(interval, age time.Duration) bool { return age > max(2*interval, time.Minute) }

// loop runs the job at its times until ctx ends. Starts that fall into a longer run are
// skipped.
func (j Job) loop(ctx context.Context, due *atomic.Pointer[time.Time]) {
	began := time.Now()
	start := j.next(began, -1, 0)
	waitUntil := func(start time.Duration) {
		at := began.Add(start)
		due.Store(&at)
	}
	waitUntil(start)
	timer := time.NewTimer(start)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if ctx.Err() != nil { // select has no preference if both are ready
				return
			}
		}
		due.Store(nil)
		j.Run(ctx)
		since := time.Since(began)
		start = j.next(began, start, since)
		waitUntil(start)
		timer.Reset(start - since)
	}
}

// next returns the first start that is later than the last one and not before now. All
// are times since the job was scheduled, by the monotonic clock.
func (j Job) next(began time.Time, last, now time.Duration) time.Duration {
	if j.AtOnce && last < 0 {
		return 0
	}
	intoInterval := time.Duration(began.UnixNano() % int64(j.Interval))
	start := (j.Phase - intoInterval + j.Interval) % j.Interval
	earliest := max(last+1, now)
	if j.AtOnce && last == 0 {
		earliest = max(j.Interval/2, now)
	}
	if start < earliest {
		start += (earliest - start + j.Interval - 1) / j.Interval * j.Interval
	}
	return start
}

// PhaseOf spreads names evenly over an interval, each always at the same phase.
func PhaseOf(interval time.Duration, names ...string) time.Duration {
	hash := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return time.Duration(binary.BigEndian.Uint64(hash[:]) % uint64(interval))
}
