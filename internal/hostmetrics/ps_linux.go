package hostmetrics

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// zombiesEvery is how often all processes are looked at to find the zombies
// among them; in between the last count stands. A look costs 10 µs a process,
// and no other file of the kernel counts them.
const zombiesEvery = time.Minute

// processCounter counts processes and zombies (state Z in /proc/PID/stat, see
// proc_pid_stat(5)).
type processCounter struct {
	processes pidLister
	buf       []byte
	zombies   int
	counted   time.Time
}

func newProcessCounter(root string) processCounter {
	return processCounter{processes: newPIDLister(root), buf: make([]byte, 1024)}
}

func (c *processCounter) read(p *points) error {
	pids, err := c.processes.list()
	if err != nil {
		return fmt.Errorf("counting processes: %w", err)
	}
	p.add("ps.total.num", float64(len(pids)), nil)
	if c.counted.IsZero() || time.Since(c.counted) >= zombiesEvery {
		c.countZombies(pids)
		c.counted = time.Now()
	}
	p.add("ps.zombies.num", float64(c.zombies), nil)
	return nil
}

// countZombies passes over processes that have ended meanwhile.
func (c *processCounter) countZombies(pids []int) {
	c.zombies = 0
	for _, pid := range pids {
		n, err := readInto(c.processes.proc+"/"+strconv.Itoa(pid)+"/stat", &c.buf)
		if err == nil && processState(c.buf[:n]) == 'Z' {
			c.zombies++
		}
	}
}

// processState returns the state's letter, which follows the name. The name
// stands in parentheses and may itself contain any character.
func processState(stat []byte) byte {
	if i := bytes.LastIndexByte(stat, ')'); i >= 0 && i+2 < len(stat) {
		return stat[i+2]
	}
	return 0
}
