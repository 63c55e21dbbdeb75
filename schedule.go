package agent

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// job is something that runs again and again, and never overlaps itself.
type job struct {
	// interval between two starts.
	interval time.Duration
	// phase of the starts within the interval, so that they are spread.
	phase time.Duration
	// atOnce makes the job start when it is scheduled, too. The first regular
	// start follows no sooner than half an interval later.
	atOnce bool
	run    func(ctx context.Context)
}

// same tells whether other runs at the same times.
func (j job) same(other job) bool { return j.interval == other.interval && j.phase == other.phase }

// schedule runs jobs, each in a goroutine of its own, until its context ends.
type schedule struct {
	ctx     context.Context
	running sync.WaitGroup

	mu      sync.Mutex
	entries map[string]entry // guarded by mu; by the job's name
}

// entry is a job on the schedule.
type entry struct {
	job  job
	stop context.CancelFunc
	done chan struct{} // closed when the job's goroutine has ended
}

func newSchedule(ctx context.Context) *schedule {
	return &schedule{ctx: ctx, entries: make(map[string]entry)}
}

// set makes jobs the whole schedule: new ones start, those whose times have
// changed start anew, those not named stop, all others are not disturbed.
func (s *schedule) set(jobs map[string]job) {
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
			j.atOnce = false // it ran a moment ago
		}
		s.entries[name] = s.start(j, predecessor)
	}
}

// start runs the job once its predecessor, if there is one, has ended.
func (s *schedule) start(j job, predecessor <-chan struct{}) entry {
	ctx, stop := context.WithCancel(s.ctx)
	e := entry{job: j, stop: stop, done: make(chan struct{})}
	s.running.Go(func() {
		defer close(e.done)
		defer stop()
		if predecessor != nil {
			<-predecessor
		}
		j.loop(ctx)
	})
	return e
}

// wait returns when all jobs have ended, which they do when the schedule's
// context ends, or with an error when ctx ends before that.
func (s *schedule) wait(ctx context.Context) error { return waitFor(ctx, &s.running) }

// loop runs the job at its times until ctx ends. A run that takes longer than
// the interval makes the starts that it covers fall out.
func (j job) loop(ctx context.Context) {
	began := time.Now()
	start := j.next(began, -1, 0)
	timer := time.NewTimer(start)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if ctx.Err() != nil { // select has no preference where both are ready
				return
			}
		}
		j.run(ctx)
		since := time.Since(began)
		start = j.next(began, start, since)
		timer.Reset(start - since)
	}
}

// next returns the first start that is later than the last one and not before
// now, all as time since the job was scheduled, by the monotonic clock: a jump
// of the wall clock moves no start.
func (j job) next(began time.Time, last, now time.Duration) time.Duration {
	if j.atOnce && last < 0 {
		return 0
	}
	intoInterval := time.Duration(began.UnixNano() % int64(j.interval))
	start := (j.phase - intoInterval + j.interval) % j.interval
	earliest := max(last+1, now)
	if j.atOnce && last == 0 {
		earliest = max(j.interval/2, now)
	}
	if start < earliest {
		start += (earliest - start + j.interval - 1) / j.interval * j.interval
	}
	return start
}

// phaseOf spreads names evenly over an interval, each always at the same
// place.
func phaseOf(interval time.Duration, names ...string) time.Duration {
	hash := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return time.Duration(binary.BigEndian.Uint64(hash[:]) % uint64(interval))
}

// waitFor waits for the group, or until ctx ends.
func waitFor(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select { // what has ended before ctx is not to blame
	case <-done:
		return nil
	case <-time.After(10 * time.Millisecond):
		return ctx.Err()
	}
}
