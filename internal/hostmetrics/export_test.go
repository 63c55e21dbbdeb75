//go:build linux

package hostmetrics

import (
	"github.com/lodastack/agent/internal/sockdiag"
	"golang.org/x/sys/unix"
)

// RWFile is the name of the file that fs.files.rw writes.
func RWFile(stateDir string) string { return rwFile(stateDir) }

// WriteAndRead tries a file at path; the error says why that says nothing.
func WriteAndRead(path string) (works bool, err error) { return writeAndRead(path) }

// Space stands for what statfs(2) answers, in blocks of 4 KiB.
type Space struct{ Blocks, Free, Available, Inodes, FreeInodes uint64 }

// FakeFileSystems makes probe answer in place of the file systems.
func FakeFileSystems(kinds []Kind, probe func(path string, write bool) (space Space, works bool, err error)) {
	for _, k := range kinds {
		f, ok := k.Collector.(*filesystems)
		if !ok {
			continue
		}
		f.probe = func(path string, write bool) (r probed) {
			space, works, err := probe(path, write)
			r.rw, r.spaceErr = works, err
			r.space.Bsize, r.space.Frsize = 4096, 4096
			r.space.Blocks, r.space.Bfree, r.space.Bavail = space.Blocks, space.Free, space.Available
			r.space.Files, r.space.Ffree = space.Inodes, space.FreeInodes
			return r
		}
	}
}

// FakeKernelClock makes the kernel know that its clock is right.
func FakeKernelClock(kinds []Kind) {
	for _, k := range kinds {
		if c, ok := k.Collector.(*clock); ok {
			c.kernel = func(p *points) { p.addTimex(unix.Timex{}) }
		}
	}
}

// SkipFirstGap makes the first Collect of the kinds take one reading.
func SkipFirstGap(kinds []Kind) {
	for _, k := range kinds {
		if c, ok := k.Collector.(*rates); ok {
			c.ready = true
		}
		if c, ok := k.Assigned.(*processes); ok {
			c.ready = true
		}
	}
}

// ParseSocketTable returns the sockets of a state in a table of /proc/net.
func ParseSocketTable(content []byte, state string) []sockdiag.Listener {
	return parseSocketTable(content, state)
}

// CoredumpService returns the service in the name of a core dump.
func CoredumpService(name string) (string, bool) {
	dump, ok := parseCoredump(name)
	return dump.service, ok
}

// SettledAfter and LookEvery are the walks of PROC after which a process that belongs to no
// program is skipped, and of which one looks at it nevertheless.
const (
	SettledAfter = settledAfter
	LookEvery    = lookEvery
)
