package hostmetrics

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// blockDevice is a name in /proc/diskstats.
type blockDevice struct {
	disk  *diskReading // nil: it is not a disk, nor a path to one
	path  bool
	round int // in which it was last listed
}

// device returns the device of a name, which it looks at when it is new.
func (d *disk) device(name []byte) *blockDevice {
	device := d.devices[string(name)]
	if device == nil {
		device = d.newDevice(string(name))
		d.devices[string(name)] = device
	}
	device.round = d.round
	return device
}

// newDevice tells disks by what /sys/block says, which does not list their
// partitions.
func (d *disk) newDevice(name string) *blockDevice {
	if whole, isPath := pathOfNVMe(name); isPath {
		return &blockDevice{disk: d.reading(whole), path: true}
	}
	dir := filepath.Join(d.block, strings.ReplaceAll(name, "/", "!"))
	if _, err := os.Lstat(dir); err != nil || isNoDisk(name) || hasSlaves(dir) {
		return &blockDevice{}
	}
	return &blockDevice{disk: d.reading(name)}
}

func (d *disk) reading(name string) *diskReading {
	for _, r := range d.disks {
		if r.name == name {
			return r
		}
	}
	r := &diskReading{name: name}
	d.disks = append(d.disks, r)
	return r
}

// pathOfNVMe returns nvme0n1 for nvme0c1n1, a path to that disk.
func pathOfNVMe(name string) (whole string, ok bool) {
	part := regexp.MustCompile(`^(nvme\d+)c\d+(n\d+)$`).FindStringSubmatch(name)
	if part == nil {
		return "", false
	}
	return part[1] + part[2], true
}

// hasSlaves tells whether a device is made of others: dm, md, bcache. What
// they do is counted at those.
func hasSlaves(dir string) bool {
	slaves, err := os.ReadDir(filepath.Join(dir, "slaves"))
	return err == nil && len(slaves) > 0
}

// isNoDisk names what looks like a disk in /sys/block: memory, files, optical
// and floppy drives, and what is made of disks, also where no slave is listed.
func isNoDisk(name string) bool {
	kind := strings.TrimRight(name, "0123456789")
	switch kind {
	case "ram", "zram", "loop", "sr", "fd", "dm-", "md", "md_d", "drbd", "bcache", "zd":
		return true
	}
	return strings.HasPrefix(name, "md_") // named arrays
}
