package hostmetrics

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// sectorSize is the unit of /proc/diskstats, whatever the disk's own sector
// size.
const sectorSize = 512

// disk measures whole disks (/proc/diskstats, see the kernel's
// Documentation/admin-guide/iostats.rst).
type disk struct {
	stats   procfs.File
	block   string // /sys/block
	names   filter
	detail  bool
	clock   stopwatch
	round   int
	devices map[string]*blockDevice // by name; those of the last round
	disks   []*diskReading          // in the order of their first appearance
}

// diskReading is the last two readings of a disk.
type diskReading struct {
	name        string
	now, before diskShown
	// round of now, and the number of rounds in a row that showed the disk.
	round, readings int
}

// diskShown is one reading of a disk: its own counters, and the sum over its
// paths if it is an NVMe disk with several.
type diskShown struct{ own, paths diskCounters }

// diskCounters are the columns of /proc/diskstats that are used.
type diskCounters struct {
	reads, readSectors, readMillis    uint64
	writes, writeSectors, writeMillis uint64
	// queueMillis grows by the number of open requests each millisecond.
	busyMillis, queueMillis uint64
}

func newDisk(c Config) agent.Collector {
	d := &disk{
		stats:   procfs.NewFile(c.Root, "proc/diskstats"),
		block:   filepath.Join(c.Root, "sys/block"),
		names:   c.disks(),
		detail:  c.detailed("DISK"),
		devices: make(map[string]*blockDevice),
	}
	return &rates{read: d.read}
}

func (d *disk) read() ([]agent.Metric, error) {
	rest, err := d.stats.Read()
	if err == nil {
		_, err = os.Stat(d.block)
	}
	if err != nil {
		return nil, fmt.Errorf("measuring disks: %w", err)
	}
	seconds := d.clock.lap()
	d.round++
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		w.Skip(2)
		device := d.device(w.Next())
		if device.disk == nil {
			continue
		}
		if counters, ok := parseDisk(w); ok {
			device.disk.add(counters, device.path, d.round)
		}
	}
	d.forgetGone()
	p := make(points, 0, 9*len(d.disks))
	for _, r := range d.disks {
		if r.readings > 1 {
			r.addTo(&p, seconds, d.detail)
		}
	}
	return p, nil
}

// forgetGone removes what is gone, so that it counts as new if it comes back.
func (d *disk) forgetGone() {
	for name, device := range d.devices {
		if device.round != d.round {
			delete(d.devices, name)
		}
	}
	d.disks = slices.DeleteFunc(d.disks, func(r *diskReading) bool { return r.round != d.round })
}

// add adds the counters of the disk itself or of one of its paths.
func (r *diskReading) add(c diskCounters, path bool, round int) {
	if r.round != round {
		r.before, r.now, r.round = r.now, diskShown{}, round
		r.readings++
	}
	if path {
		r.now.paths = r.now.paths.plus(c)
	} else {
		r.now.own = c
	}
}

func (r *diskReading) addTo(p *points, seconds float64, detail bool) {
	before, counted := r.before.counters()
	now, count := r.now.counters()
	if counted == count {
		tags := map[string]string{"device": r.name}
		now.addTo(p, before, seconds, tags)
		if detail {
			now.addDetail(p, before, seconds, tags)
		}
	}
}

// counters returns the disk's counters and whether they are those of its paths.
// For an NVMe disk with several paths, kernels before 6.4 count requests only
// at the paths, and later ones also at the disk (atop#157).
func (s diskShown) counters() (c diskCounters, ofPaths bool) {
	if s.own.reads == 0 && s.own.writes == 0 && s.paths != (diskCounters{}) {
		return s.paths, true
	}
	return s.own, false
}

func (c diskCounters) plus(o diskCounters) diskCounters {
	return diskCounters{
		reads: c.reads + o.reads, readSectors: c.readSectors + o.readSectors, readMillis: c.readMillis + o.readMillis,
		writes: c.writes + o.writes, writeSectors: c.writeSectors + o.writeSectors, writeMillis: c.writeMillis + o.writeMillis,
		busyMillis: c.busyMillis + o.busyMillis, queueMillis: c.queueMillis + o.queueMillis,
	}
}

func (now diskCounters) addTo(p *points, before diskCounters, seconds float64, tags map[string]string) {
	p.addRate("disk.io.read_requests", before.reads, now.reads, seconds, 1, tags)
	p.addRate("disk.io.write_requests", before.writes, now.writes, seconds, 1, tags)
	p.addRate("disk.io.read_bytes", before.readSectors, now.readSectors, seconds, sectorSize, tags)
	p.addRate("disk.io.write_bytes", before.writeSectors, now.writeSectors, seconds, sectorSize, tags)
	p.addAwait("disk.io.await", before.requests(), now.requests(), tags)
	if now.busyMillis >= before.busyMillis && seconds > 0 {
		p.add("disk.io.util", min(100, float64(now.busyMillis-before.busyMillis)/(10*seconds)), tags)
	}
}

// addDetail adds the reads and writes apart, and the length of the queue.
func (now diskCounters) addDetail(p *points, before diskCounters, seconds float64, tags map[string]string) {
	p.addAwait("disk.io.read_await", []requests{{before.reads, before.readMillis}}, []requests{{now.reads, now.readMillis}}, tags)
	p.addAwait("disk.io.write_await", []requests{{before.writes, before.writeMillis}}, []requests{{now.writes, now.writeMillis}}, tags)
	p.addRate("disk.io.queue", before.queueMillis, now.queueMillis, seconds, 1./1000, tags)
}

// requests are completed reads or writes, and how long they took together.
type requests struct{ number, millis uint64 }

func (c diskCounters) requests() []requests {
	return []requests{{c.reads, c.readMillis}, {c.writes, c.writeMillis}}
}

// addAwait adds the mean time of the requests between two readings. Without requests it is 0,
// as iostat shows it. There is none if a counter went backwards.
func (p *points) addAwait(name string, before, now []requests, tags map[string]string) {
	var number, millis uint64
	for i := range now {
		if now[i].number < before[i].number || now[i].millis < before[i].millis {
			return
		}
		number += now[i].number - before[i].number
		millis += now[i].millis - before[i].millis
	}
	p.add(name, float64(millis)/float64(max(number, 1)), tags)
}

// parseDisk parses the columns after the name. Kernels before 2.6.25 have fewer
// columns for partitions.
func parseDisk(w procfs.Words) (c diskCounters, ok bool) {
	var column [11]uint64
	for i := range column {
		if column[i], ok = w.Number(); !ok {
			return c, false
		}
	}
	return diskCounters{
		reads: column[0], readSectors: column[2], readMillis: column[3],
		writes: column[4], writeSectors: column[6], writeMillis: column[7],
		busyMillis: column[9], queueMillis: column[10],
	}, true
}
