package cell

import (
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// reaper looks after the orphans that come to this program, as a subreaper or
// as the first process of a container, from a command that ended some time
// ago or from elsewhere (a health check that a container's engine runs). The
// dead are waited for. Living ones that came from a command are killed once no
// command runs: a run under way looks after them itself.
type reaper struct {
	orphans orphanage
	kills   bool // the living, too: there are no cgroups that hold them
	dead    []int
	stop    chan struct{}
	done    chan struct{}
}

// reapInterval is the time between two looks. Orphans that are dead at two
// looks are waited for, so that the program around has time to wait for a
// child that only looks like one.
const reapInterval = 5 * time.Second

// startReaper returns nil where no orphans come to this program.
func startReaper(config Config, kills bool) *reaper {
	if !adoptsOrphans() {
		return nil
	}
	r := &reaper{orphans: newOrphanage(config), kills: kills && config.NoNewPrivs, stop: make(chan struct{}), done: make(chan struct{})}
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
		return // it will be tried again
	}
	var dead []int
	for _, pid := range kids {
		s, err := procfs.ReadStat(pid)
		switch {
		case leaders.has(pid):
		case err != nil || !s.Dead():
			if r.kills && !leaders.any() && r.orphans.holds(pid, s, err == nil) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		case s.Session == r.orphans.session: // the program around has started it
		case slices.Contains(r.dead, pid):
			reap(pid)
		default:
			dead = append(dead, pid)
		}
	}
	r.dead = dead
}

// askChildren says whether there are children, and any that are dead. Asking
// costs less than looking at each.
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
