package hostmetrics

import (
	"bytes"
	"fmt"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// sectorSize is the unit of /proc/diskstats, whatever the disk's own sectors.
const sectorSize = 512

// disk measures whole disks (/proc/diskstats, see the kernel's
// Documentation/admin-guide/iostats.rst).
type disk struct {
	stats procfs.File
	clock stopwatch
	round int
	disks map[string]*diskReading
}

type diskReading struct {
	diskCounters
	round int
}

// diskCounters are the columns of /proc/diskstats that are used.
type diskCounters struct {
	reads, readSectors, readMillis    uint64
	writes, writeSectors, writeMillis uint64
	busyMillis                        uint64
}

func newDisk(root string) agent.Collector {
	d := &disk{stats: procfs.NewFile(root, "proc/diskstats"), disks: make(map[string]*diskReading)}
	return &rates{read: d.read}
}

func (d *disk) read() ([]agent.Metric, error) {
	rest, err := d.stats.Read()
	if err != nil {
		return nil, fmt.Errorf("measuring disks: %w", err)
	}
	seconds := d.clock.lap()
	d.round++
	p := make(points, 0, 6*len(d.disks))
	var whole []byte
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		w.Skip(2)
		name := w.Next()
		if !isDisk(name) || isPartition(name, whole) {
			continue
		}
		whole = name
		if now, ok := parseDisk(w); ok {
			d.add(&p, name, now, seconds)
		}
	}
	for name, r := range d.disks {
		if r.round != d.round {
			delete(d.disks, name)
		}
	}
	return p, nil
}

// add compares a disk with its reading of the round before. A disk that was
// not there then has none.
func (d *disk) add(p *points, name []byte, now diskCounters, seconds float64) {
	r := d.disks[string(name)]
	if r == nil {
		d.disks[string(name)] = &diskReading{diskCounters: now, round: d.round}
		return
	}
	now.addTo(p, r.diskCounters, seconds, map[string]string{"device": string(name)})
	r.diskCounters, r.round = now, d.round
}

func (now diskCounters) addTo(p *points, before diskCounters, seconds float64, tags map[string]string) {
	p.addRate("disk.io.read_requests", before.reads, now.reads, seconds, 1, tags)
	p.addRate("disk.io.write_requests", before.writes, now.writes, seconds, 1, tags)
	p.addRate("disk.io.read_bytes", before.readSectors, now.readSectors, seconds, sectorSize, tags)
	p.addRate("disk.io.write_bytes", before.writeSectors, now.writeSectors, seconds, sectorSize, tags)
	if now.reads >= before.reads && now.writes >= before.writes &&
		now.readMillis >= before.readMillis && now.writeMillis >= before.writeMillis {
		requests := now.reads - before.reads + now.writes - before.writes
		millis := now.readMillis - before.readMillis + now.writeMillis - before.writeMillis
		// Nothing waited where nothing was asked for; iostat says 0, too.
		p.add("disk.io.await", float64(millis)/float64(max(requests, 1)), tags)
	}
	if now.busyMillis >= before.busyMillis && seconds > 0 {
		p.add("disk.io.util", min(100, float64(now.busyMillis-before.busyMillis)/(10*seconds)), tags)
	}
}

// parseDisk parses what follows the name. Kernels before 2.6.25 have fewer
// columns for partitions.
func parseDisk(w procfs.Words) (c diskCounters, ok bool) {
	var column [10]uint64
	for i := range column {
		if column[i], ok = w.Number(); !ok {
			return c, false
		}
	}
	return diskCounters{
		reads: column[0], readSectors: column[2], readMillis: column[3],
		writes: column[4], writeSectors: column[6], writeMillis: column[7],
		busyMillis: column[9],
	}, true
}

// isDisk tells disks from what only looks like one: loops, RAM disks, optical
// drives, and what is made of disks (dm, md, drbd, bcache).
func isDisk(name []byte) bool {
	for _, prefix := range [...]string{
		"sd", "hd", "vd", "xvd", "nvme", "mmcblk", "hio", "fio", "dasd", "cciss", "rssd", "skd", "rbd", "pmem", "ubd",
	} {
		if len(name) > len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// isPartition tells whether name is a part of whole, the disk before it: sda1
// of sda, nvme0n1p2 of nvme0n1, mmcblk0boot0 of mmcblk0. Partitions follow
// their disk; an xvda1 without an xvda, as Xen has it, is a disk.
func isPartition(name, whole []byte) bool {
	if len(whole) == 0 || !bytes.HasPrefix(name, whole) {
		return false
	}
	rest := name[len(whole):]
	endsInDigit := whole[len(whole)-1] >= '0' && whole[len(whole)-1] <= '9'
	if !endsInDigit {
		_, number := procfs.ParseNumber(rest)
		return number
	}
	for _, prefix := range [...]string{"p", "boot", "rpmb", "gp"} {
		if bytes.HasPrefix(rest, []byte(prefix)) {
			return true
		}
	}
	return false
}
