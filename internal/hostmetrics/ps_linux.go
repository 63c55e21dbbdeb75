package hostmetrics

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/lodastack/agent/internal/procfs"
)

// zombiesEvery is how often the zombies are counted. Between two counts, the
// last one is used. No file of the kernel has their number, and a count reads
// all processes at 10 µs each.
const zombiesEvery = time.Minute

// processCounter counts processes and zombies (state Z in /proc/PID/stat, see
// proc_pid_stat(5)).
type processCounter struct {
	processes procfs.PIDLister
	buf       []byte
	zombies   int
	seesAll   bool // the last count saw all processes
	counted   time.Time
}

func newProcessCounter(root string) processCounter {
	return processCounter{processes: procfs.PIDLister{Dir: filepath.Join(root, "proc")}, buf: make([]byte, 1024)}
}

func (c *processCounter) read(p *points) error {
	pids, err := c.processes.List()
	if err != nil {
		return fmt.Errorf("counting processes: %w", err)
	}
	// With the mount option hidepid=2, /proc lists only the own user's
	// processes. Without it, there is always one with the ID 1.
	if slices.Contains(pids, 1) {
		p.add("ps.total.num", float64(len(pids)), nil)
	}
	if c.counted.IsZero() || time.Since(c.counted) >= zombiesEvery {
		c.countZombies(pids)
		c.counted = time.Now()
	}
	if c.seesAll {
		p.add("ps.zombies.num", float64(c.zombies), nil)
	}
	return nil
}

// countZombies ignores processes that have ended meanwhile.
func (c *processCounter) countZombies(pids []int) {
	c.zombies, c.seesAll = 0, slices.Contains(pids, 1)
	for _, pid := range pids {
		n, err := procfs.ReadInto(c.processes.Dir+"/"+strconv.Itoa(pid)+"/stat", &c.buf)
		if err != nil {
			// hidepid=1 hides the files of other users' processes.
			c.seesAll = c.seesAll && !errors.Is(err, os.ErrPermission)
			continue
		}
		if stat, ok := procfs.ParseStat(c.buf[:n]); ok && stat.State == 'Z' {
			c.zombies++
		}
	}
}
