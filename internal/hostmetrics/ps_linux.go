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

// listedEvery is how often the processes are listed to count the zombies, of which no
// file of the kernel has the number: this reads all processes at 10 µs each. Between two
// lists, the last number of zombies is used.
const listedEvery = time.Minute

// processCounter counts processes and zombies (state Z in /proc/PID/stat, see
// proc_pid_stat(5)).
type processCounter struct {
	processes procfs.PIDLister
	buf       []byte
	total     int
	zombies   int
	listsAll  bool // the last list had all processes
	seesAll   bool // and the states of all could be read
	listed    time.Time
}

func newProcessCounter(root string) processCounter {
	return processCounter{processes: procfs.PIDLister{Dir: filepath.Join(root, "proc")}, buf: make([]byte, 1024)}
}

func (c *processCounter) read(p *points) error {
	total, ok := c.processes.Count()
	if ok && !c.listed.IsZero() && time.Since(c.listed) < listedEvery {
		c.total = total
	} else if err := c.list(); err != nil {
		return fmt.Errorf("counting processes: %w", err)
	}
	if c.listsAll {
		p.add("ps.total.num", float64(c.total), nil)
	}
	if c.seesAll {
		p.add("ps.zombies.num", float64(c.zombies), nil)
	}
	return nil
}

// list lists the processes, and counts the zombies if it is time.
func (c *processCounter) list() error {
	pids, err := c.processes.List()
	if err != nil {
		return err
	}
	// With the mount option hidepid=2, /proc lists only the own user's
	// processes. Without it, there is always one with the ID 1.
	c.total, c.listsAll = len(pids), slices.Contains(pids, 1)
	if c.listed.IsZero() || time.Since(c.listed) >= listedEvery {
		c.countZombies(pids)
		c.listed = time.Now()
	}
	return nil
}

// countZombies ignores processes that have ended meanwhile.
func (c *processCounter) countZombies(pids []int) {
	c.zombies, c.seesAll = 0, c.listsAll
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
