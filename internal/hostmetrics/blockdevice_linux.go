package hostmetrics

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// blockDevice is a name in /proc/diskstats.
type blockDevice struct {
	disk  *diskReading // nil: neither a disk nor a path to one
	path  bool
	round int // the last round that listed it
}

// device returns the device of a name. It examines a device when the name is
// new.
func (d *disk) device(name []byte) *blockDevice {
	device := d.devices[string(name)]
	if device == nil {
		device = d.newDevice(string(name))
		d.devices[string(name)] = device
	}
	device.round = d.round
	return device
}

// newDevice examines a device. A disk has a directory in /sys/block, and a
// partition has none. What is asked for by name counts as a disk.
func (d *disk) newDevice(name string) *blockDevice {
	if whole, isPath := pathOfNVMe(name); isPath {
		if !d.names.allows(whole) {
			return &blockDevice{}
		}
		return &blockDevice{disk: d.reading(whole), path: true}
	}
	dir := filepath.Join(d.block, strings.ReplaceAll(name, "/", "!"))
	if _, err := os.Lstat(dir); err != nil || !d.names.allows(name) {
		return &blockDevice{}
	}
	if !d.names.names(name) && (isNoDisk(name) || hasSlaves(dir)) {
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

// hasSlaves reports whether a device consists of others (dm, md, bcache). Its
// requests are counted at those.
func hasSlaves(dir string) bool {
	slaves, err := os.ReadDir(filepath.Join(dir, "slaves"))
	return err == nil && len(slaves) > 0
}

// isNoDisk reports whether a name in /sys/block is not that of a disk: memory,
// files, optical and floppy drives, and devices that consist of disks, even if
// they list no slave.
func isNoDisk(name string) bool {
	kind := strings.TrimRight(name, "0123456789")
	switch kind {
	case "ram", "zram", "loop", "sr", "fd", "dm-", "md", "md_d", "drbd", "bcache", "zd":
		return true
	}
	return strings.HasPrefix(name, "md_") // named arrays
}
