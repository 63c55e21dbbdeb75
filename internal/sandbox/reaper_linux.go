package sandbox

import (
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// reaper handles the orphans that become children of this program, because the program
// is a subreaper or the first process of a container. They are left from earlier
// commands, or come from elsewhere (such as health checks of a container engine). The
// reaper reaps the dead ones. While no command runs, it also kills living ones that came
// from a command. A run kills its own.
type reaper struct {
	orphans orphanFilter
	kills   bool // also kills living ones: no cgroup contains them
	dead    []int
	stop    chan struct{}
	done    chan struct{}
}

// reapInterval is the time between two looks. An orphan is reaped if it is dead
// at two looks, so that the calling program has time to reap a child of its
// own.
const reapInterval = 5 * time.Second

// startReaper returns nil if no orphans become children of this program.
func startReaper(config Config, kills bool) *reaper {
	if !adoptsOrphans() {
		return nil
	}
	r := &reaper{orphans: newOrphanFilter(config), kills: kills && config.NoNewPrivs, stop: make(chan struct{}), done: make(chan struct{})}
	go r.run(reapInterval)
	return r
}

func (r *reaper) run(interval time.Duration) {
	defer close(r.done)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
			r.look()
		}
	}
}

// look is called once in an interval.
func (r *reaper) look() {
	if any, dead := askChildren(); !dead && !(any && r.kills) {
		r.dead = nil
		return
	}
	kids, err := children()
	if err != nil {
		return // the next look tries again
	}
	var dead []int
	for _, pid := range kids {
		s, err := procfs.ReadStat(pid)
		switch {
		case leaders.has(pid):
		case err != nil || !s.Dead():
			if r.kills && !leaders.any() && r.orphans.isOrphan(pid, s, err == nil) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		case s.Session == r.orphans.session: // the calling program has started it
		case slices.Contains(r.dead, pid):
			reap(pid)
		default:
			dead = append(dead, pid)
		}
	}
	r.dead = dead
}

// askChildren reports whether there are children, and whether any is dead. This
// costs less than a look at each.
func askChildren() (any, dead bool) {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil, err == nil && info.Signo != 0
}

// close may be called on nil.
func (r *reaper) close() {
	if r != nil {
		close(r.stop)
		<-r.done
	}
}
