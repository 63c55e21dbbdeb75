package hostmetrics

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/procfs"
)

// addRAID adds the state of each software RAID array. The files show what the driver knows:
// reading them wakes no disk. See the kernel's Documentation/admin-guide/md.rst.
func (h hardware) addRAID(p *points) {
	for _, dir := range h.glob("block/md*/md") {
		device := filepath.Base(filepath.Dir(dir))
		tags := map[string]string{"device": device}
		if missing, ok := readInt(filepath.Join(dir, "degraded")); ok && missing >= 0 {
			p.add("dev.raid.degraded", float64(missing), tags) // arrays without redundancy have no such file
		}
		switch readText(filepath.Join(dir, "array_state")) {
		case "", "clear": // unknown, or there is no array yet
		case "inactive": // its disks have no role yet
			p.add("dev.raid.inactive", 1, tags)
		default:
			p.add("dev.raid.inactive", 0, tags)
			h.addRAIDMembers(p, device, tags)
			p.addRAIDSync(dir, tags)
		}
	}
}

// addRAIDMembers adds how many disks of an array have failed, and how many wait to replace
// one. The driver calls a disk that is being rebuilt a spare, too; that one has a slot.
func (h hardware) addRAIDMembers(p *points, device string, tags map[string]string) {
	states := h.glob("block/" + device + "/md/dev-*/state")
	failed, spare := 0, 0
	for _, file := range states {
		state := strings.Split(readText(file), ",")
		switch {
		case slices.Contains(state, "faulty"):
			failed++
		case slices.Contains(state, "spare") && readText(filepath.Join(filepath.Dir(file), "slot")) == "none":
			spare++
		}
	}
	if len(states) > 0 {
		p.add("dev.raid.failed", float64(failed), tags)
		p.add("dev.raid.spare", float64(spare), tags)
	}
}

// addRAIDSync adds how far a rebuild, a check or a reshape has come. The file is "none" if
// there is none, and "delayed" if it waits for another array.
func (p *points) addRAIDSync(dir string, tags map[string]string) {
	w := procfs.NewWords([]byte(readText(filepath.Join(dir, "sync_completed")))) // 123 / 456
	done, ok1 := w.Number()
	w.Skip(1)
	all, ok2 := w.Number()
	if !ok1 || !ok2 || all == 0 || done > all {
		return
	}
	p.add("dev.raid.sync.percent", 100*float64(done)/float64(all), tags)
	if speed, ok := procfs.ParseNumber([]byte(readText(filepath.Join(dir, "sync_speed")))); ok { // KiB/s
		p.add("dev.raid.sync.speed", float64(speed)*1024, tags)
	}
}
