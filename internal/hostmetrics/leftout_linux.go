package hostmetrics

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/procfs"
)

// LeftOut says what a measurement does not have although the host has it, and why: because
// of a filter, or because measuring it would wake or hold something. It reads the host anew.
// What is left out by kind, such as virtual file systems, is not in it.
func LeftOut(c Config, m Measurement) []string {
	if c.Root == "" {
		c.Root = "/"
	}
	var left leftOut
	switch {
	case m.Name == "fs.files.rw":
		left.addMounts(c)
		left.addUnwritten(c)
	case slices.Contains(m.Tags, "mount"):
		left.addMounts(c)
	case m.Kind == "DISK" && slices.Contains(m.Tags, "device"):
		left.addNames(c.disks(), namesIn(filepath.Join(c.Root, "sys/block")))
	case slices.Contains(m.Tags, "interface"):
		left.addNames(c.interfaces(), namesIn(filepath.Join(c.Root, "sys/class/net")))
	case slices.Contains(m.Tags, "core"):
		left.addCores(c)
	case slices.Contains(m.Tags, "unit"):
		for _, name := range newSystemd(c).excluded() {
			left.add(name, c.units().why(name))
		}
	case m.Kind == "CGROUP":
		left.addCgroups(c)
	case slices.Contains(m.Tags, "sensor"):
		h := newHardware(c)
		for _, q := range quantities() {
			if q.name == m.Name {
				left.addSensors(h, h.sensors(q))
			}
		}
		if m.Name == temperature {
			left.addSensors(h, h.thermalZones())
		}
	}
	return left
}

// leftOut has "eth1: collect.exclude.interfaces has "eth1"" and so on.
type leftOut []string

func (l *leftOut) add(name, why string) {
	if why != "" {
		*l = append(*l, fmt.Sprintf("%s: %s", name, why))
	}
}

func (l *leftOut) addNames(f filter, names []string) {
	for _, name := range names {
		l.add(name, f.why(name))
	}
}

func (l *leftOut) addSensors(h hardware, sensors []sensor) {
	for _, s := range sensors {
		l.add(s.name, h.why(s))
	}
}

// addCgroups adds those that the config names and excludes.
func (l *leftOut) addCgroups(c Config) {
	dir, _ := cgroup2(c.Root)
	g := newCgroups(c)
	names, _ := listCgroups(dir, g.isNamed) // those that could be read
	for _, name := range names {
		for _, excluded := range [...]string{name, path.Base(name)} {
			if g.names.excludes(excluded) {
				l.add(name, g.names.why(excluded))
				break
			}
		}
	}
}

// namesIn lists a directory of /sys, which has ! in place of a slash.
func namesIn(dir string) (names []string) {
	entries, _ := os.ReadDir(dir) // what is not there leaves nothing out
	for _, e := range entries {
		if !e.Type().IsRegular() { // bonding_masters is no interface
			names = append(names, strings.ReplaceAll(e.Name(), "!", "/"))
		}
	}
	return names
}

func (l *leftOut) addMounts(c Config) {
	mounts, _ := readMounts(c.Root) // those that could be read
	choice := mountChoice{c.mounts(), c.fsTypes()}
	tree := newMountTree(mounts)
	for _, m := range tree.visible() {
		if choice.holdsData(m) {
			l.add(m.Point, choice.why(m, tree.automounted(m)))
		}
	}
}

func (l *leftOut) addUnwritten(c Config) {
	f := newFilesystems(c)
	mounts, _ := f.listMounts() // those that could be read
	for _, m := range mounts {
		l.add(m.Point, f.whyNotWritten(m))
	}
}

func (l *leftOut) addCores(c Config) {
	stat := procfs.NewFile(c.Root, "proc/stat")
	content, _ := stat.Read() // without it no core is known
	for line := range bytes.Lines(content) {
		w := procfs.NewWords(line)
		if core, ok := strings.CutPrefix(string(w.Next()), "cpu"); ok && core != "" {
			l.add(core, c.cores().why(core))
		}
	}
}
