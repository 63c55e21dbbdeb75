package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
	"golang.org/x/sys/unix"
)

// probeLimit is how long a round waits for file systems to answer. A sync of a
// busy disk can take seconds.
const probeLimit = 10 * time.Second

// filesystems measures the space of file systems, whether they can be written,
// and the kernel's table of open files.
//
// A call on a dead network mount blocks its thread in the kernel and cannot be
// cancelled. So a goroutine of its own probes each file system, and a round
// waits for it up to probeLimit. A file system whose probe has not returned is
// hung, and is not probed again before it returns. So there is never more than
// one goroutine for a file system.
type filesystems struct {
	root    string
	openfd  procfs.File
	choice  mountChoice
	rw      filter // of mount points, for the write test
	probe   prober
	pending map[string]chan probed
}

// probed is the result of probing a file system.
type probed struct {
	space    unix.Statfs_t
	spaceErr error
	covered  bool // another file system is mounted at the path; the rest is unknown
	rw       bool
	rwErr    error // why writing was not tried
}

// prober probes the file system that is mounted at a path.
type prober func(path string, write bool) probed

func newFilesystems(c Config) *filesystems {
	f := &filesystems{
		root:    c.Root,
		openfd:  procfs.NewFile(c.Root, "proc/sys/fs/file-nr"),
		choice:  mountChoice{c.mounts(), c.fsTypes()},
		rw:      c.rw(),
		probe:   newProber(c.StateDir),
		pending: make(map[string]chan probed),
	}
	return f
}

// Collect implements [agent.Collector].
func (f *filesystems) Collect(ctx context.Context) ([]agent.Metric, error) {
	var p points
	err := f.addFiles(&p)
	mounts, mountErr := f.listMounts()
	if mountErr != nil {
		err = errors.Join(err, fmt.Errorf("measuring file systems: %w", mountErr))
	}
	f.probeAll(ctx, mounts, &p)
	return p, err
}

// addFiles adds /proc/sys/fs/file-nr: allocated, unused, maximum. See the
// kernel's Documentation/admin-guide/sysctl/fs.rst.
func (f *filesystems) addFiles(p *points) error {
	content, err := f.openfd.Read()
	if err != nil {
		return fmt.Errorf("measuring open files: %w", err)
	}
	w := procfs.NewWords(content)
	allocated, ok1 := w.Number()
	w.Skip(1)
	limit, ok2 := w.Number()
	if !ok1 || !ok2 {
		return fmt.Errorf("measuring open files: %s does not contain three numbers", f.openfd.Path)
	}
	p.add("kernel.files.max", float64(limit), nil)
	p.add("kernel.files.allocated", float64(allocated), nil)
	// More files than the limit can be open: root may exceed it, and it can be
	// lowered.
	p.add("kernel.files.left", float64(limit-min(allocated, limit)), nil)
	p.add("kernel.files.allocated.percent", 100*float64(allocated)/float64(limit), nil)
	return nil
}

// probeAll starts a probe of every file system, except those with a hung probe,
// and adds those that answer in time. Nothing is known of a file system that
// has not answered when the agent stops.
func (f *filesystems) probeAll(ctx context.Context, mounts []procfs.Mount, p *points) {
	f.forgetAnswered()
	own := ownMounts(f.root)
	tags := mountTags(mounts)
	started := make(map[string]bool, len(mounts))
	write := make([]bool, len(mounts))
	for i, m := range mounts {
		write[i] = f.whyNotWritten(m) == ""
		if f.pending[m.Point] == nil {
			f.pending[m.Point] = f.start(m, write[i], own)
			started[m.Point] = true
		}
	}
	limited, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	for i, m := range mounts {
		tags := map[string]string{"mount": tags[i]}
		if started[m.Point] {
			if result, ok := await(limited, f.pending[m.Point]); ok {
				delete(f.pending, m.Point)
				result.addTo(p, write[i], tags)
				continue
			}
		}
		stops := started[m.Point] && errors.Is(ctx.Err(), context.Canceled)
		if write[i] && !stops {
			p.add("fs.files.rw", 0, tags)
		}
	}
}

// start probes in a goroutine that ends when the file system answers. The
// channel is buffered, so that a late answer does not block the goroutine.
func (f *filesystems) start(m procfs.Mount, write bool, own map[uint64]procfs.Mount) chan probed {
	answer := make(chan probed, 1)
	path := filepath.Join(f.root, m.Point)
	go func() {
		if isCovered(path, m, own) {
			answer <- probed{covered: true}
		} else {
			answer <- f.probe(path, write)
		}
	}()
	return answer
}

// await returns an answer that is there even if ctx has ended.
func await(ctx context.Context, answer chan probed) (probed, bool) {
	select {
	case r := <-answer:
		return r, true
	default:
	}
	select {
	case r := <-answer:
		return r, true
	case <-ctx.Done():
		return probed{}, false
	}
}

// forgetAnswered drops answers that came after their round, because they are
// old.
func (f *filesystems) forgetAnswered() {
	for point, answer := range f.pending {
		select {
		case <-answer:
			delete(f.pending, point)
		default:
		}
	}
}

// addTo adds the result of a probe. If writing was not to be tried, or could not
// be, it adds only the space.
func (r probed) addTo(p *points, write bool, tags map[string]string) {
	if r.covered {
		return
	}
	if r.spaceErr == nil {
		addSpace(p, r.space, tags)
	}
	switch {
	case !write || r.rwErr != nil:
	case r.rw:
		p.add("fs.files.rw", 1, tags)
	default:
		p.add("fs.files.rw", 0, tags)
	}
}

// addSpace adds the space as df does: used is what is not free, free is what
// users without privileges may still use. Some file systems report parts that
// are larger than the whole, such as a negative number that became unsigned
// (CephFS, gopsutil#1344). Such a part is unknown, and so is each value derived
// from it.
func addSpace(p *points, s unix.Statfs_t, tags map[string]string) {
	const mib = 1 << 20
	unit := float64(s.Frsize)
	if unit <= 0 {
		unit = float64(s.Bsize)
	}
	if s.Blocks > 0 && unit > 0 {
		p.add("fs.space.total", float64(s.Blocks)*unit/mib, tags)
		if s.Bfree <= s.Blocks {
			p.add("fs.space.used", float64(s.Blocks-s.Bfree)*unit/mib, tags)
		}
		if s.Bavail <= s.Blocks {
			p.add("fs.space.free", float64(s.Bavail)*unit/mib, tags)
		}
		if s.Bfree <= s.Blocks && s.Bavail <= s.Bfree {
			used := float64(s.Blocks - s.Bfree)
			p.add("fs.space.used.percent", 100*used/(used+float64(s.Bavail)), tags)
		}
	}
	// File systems without an inode table report 0 of 0.
	if s.Ffree <= s.Files {
		p.add("fs.inodes.used.percent", 100*float64(s.Files-s.Ffree)/float64(s.Files), tags)
	}
}
