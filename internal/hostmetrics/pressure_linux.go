package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
	"golang.org/x/sys/unix"
)

// pressure measures how long threads wait for processors, memory and disks. See the kernel's
// Documentation/accounting/psi.rst.
type pressure struct {
	files []pressureFile
	rates counterRates
	now   []counter // the totals of this round
}

// pressureFile is a file of /proc/pressure, with a line that begins with "some" and, but for
// processors, where it means nothing, one that begins with "full".
type pressureFile struct {
	file       procfs.File
	some, full pressureNames
}

// pressureNames are the names of the measurements of a line. Empty: the line is not used.
type pressureNames struct{ avg10, stall string }

func newPressure(root string) agent.Collector {
	names := func(line string) pressureNames { return pressureNames{line + ".avg10", line + ".stall"} }
	file := func(resource string) procfs.File { return procfs.NewFile(root, "proc/pressure/"+resource) }
	p := &pressure{files: []pressureFile{
		{file("cpu"), names("psi.cpu.some"), pressureNames{}},
		{file("memory"), names("psi.memory.some"), names("psi.memory.full")},
		{file("io"), names("psi.io.some"), names("psi.io.full")},
	}}
	return &rates{read: p.read}
}

func (c *pressure) read() ([]agent.Metric, error) {
	p := make(points, 0, 10)
	c.now = c.now[:0]
	var errs []error
	for i := range c.files {
		f := &c.files[i]
		content, err := f.file.Read()
		switch {
		case err == nil:
			c.parse(&p, content, *f)
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EOPNOTSUPP): // psi=0
			errs = append(errs, fmt.Errorf("measuring pressure: %w", err))
		}
	}
	averages := len(p)
	c.rates.add(&p, c.now)
	for i := range p[averages:] {
		// The kernel adds to the total up to two seconds late, and then more than has passed.
		stall := &p[averages+i]
		stall.Value = min(100, stall.Value.(float64))
	}
	return p, errors.Join(errs...)
}

// parse reads lines of the form
//
//	some avg10=0.12 avg60=0.03 avg300=0.01 total=123456
//
// whose total is in µs.
func (c *pressure) parse(p *points, rest []byte, f pressureFile) {
	const microsecondsToPercent = 100 / 1e6
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		names := f.full
		if string(w.Next()) == "some" {
			names = f.some
		}
		for w.More() && names.avg10 != "" {
			key, value, _ := bytes.Cut(w.Next(), []byte{'='})
			switch string(key) {
			case "avg10":
				if share, err := strconv.ParseFloat(string(value), 64); err == nil && share >= 0 && share <= 100 {
					p.add(names.avg10, share, nil)
				}
			case "total":
				if total, ok := procfs.ParseNumber(value); ok {
					c.now = append(c.now, counter{names.stall, total, microsecondsToPercent})
				}
			}
		}
	}
}
