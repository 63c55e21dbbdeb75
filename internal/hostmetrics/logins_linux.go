package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/lodastack/agent"
)

const (
	// loginsAtOnce limits the logins of one file in one collection. The next
	// collection continues after them.
	loginsAtOnce = 5000
	// recordsAtOnce is how many records one read takes.
	recordsAtOnce = 64
)

// logins reports each login once: the successful ones of wtmp and the failed
// ones of btmp.
type logins struct {
	log     *slog.Logger
	root    string
	layouts []utmpLayout // this architecture's first
	state   stateFile
	loaded  bool
	marks   map[string]mark // by the file's name
	buf     []byte
	taken   takenSeconds
}

func newLogins(c Config) *logins {
	return &logins{
		log:     c.Logger,
		root:    c.Root,
		layouts: utmpLayouts(),
		state:   newStateFile(c.StateDir, "logins.json"),
		marks:   make(map[string]mark),
		buf:     make([]byte, recordsAtOnce*longestUtmp),
		taken:   make(takenSeconds),
	}
}

// Collect implements [agent.Collector].
func (l *logins) Collect(context.Context) ([]agent.Metric, error) {
	if !l.loaded {
		if _, err := l.state.load(&l.marks); err != nil {
			l.log.Warn("logins of the last hour may be reported a second time", "error", err)
			l.marks = make(map[string]mark)
		}
		l.loaded = true
	}
	l.taken.forgetBefore(time.Now().Add(-2 * mostApart * time.Second).Unix())
	p := loginPoints{taken: l.taken, users: l.users, success: true}
	before := maps.Clone(l.marks)
	err := l.collect(&p, "wtmp")
	p.success = false
	err = errors.Join(err, l.collect(&p, "btmp"), p.err)
	if !maps.Equal(before, l.marks) {
		err = errors.Join(err, l.state.save(l.marks))
	}
	return p.points, err
}

// collect adds the new logins of a file, and before them those of its rotated
// files. A host without the file has no such logins.
func (l *logins) collect(p *loginPoints, name string) error {
	path := filepath.Join(l.root, "var/log", name)
	current, err := openLog(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading logins: %w", err)
	}
	defer current.Close()
	m, known := l.marks[name]
	p.since, p.limit = time.Time{}, len(p.points)+loginsAtOnce
	if !known {
		p.since = time.Now().Add(-firstLook)
		m = current.markAt(l.recent(current))
	}
	logs := []*logFile{current}
	if !current.holds(m) {
		rotated := rotatedLogs(path)
		defer closeLogs(rotated)
		logs, m.Offset = unread(rotated, current, m)
	}
	for offset := m.Offset; len(logs) > 0; logs, offset = logs[1:], 0 {
		end, err := l.read(p, logs[0], offset)
		l.marks[name] = logs[0].markAt(end)
		if err != nil {
			return fmt.Errorf("reading logins: %w", err)
		}
		if len(p.points) >= p.limit {
			break
		}
	}
	return nil
}

// unread returns the files that were not read completely, the oldest first, and
// the offset in the first of them. If the file with the mark is gone, only the
// present one is left.
func unread(rotated []*logFile, current *logFile, m mark) (logs []*logFile, offset int64) {
	for i, log := range rotated {
		if log.holds(m) {
			return append(rotated[i:len(rotated):len(rotated)], current), m.Offset
		}
	}
	return []*logFile{current}, 0
}

// recent returns the offset at which the first reading of a file begins.
func (l *logins) recent(file *logFile) int64 {
	size := int64(l.layouts[0].size)
	return max(0, file.size/size-loginsAtOnce) * size
}

// read adds the logins from offset on and returns the offset after the last.
func (l *logins) read(p *loginPoints, file *logFile, offset int64) (int64, error) {
	damaged := 0
	defer func() {
		if damaged > 0 {
			l.log.Warn("ignored damaged bytes in a login file", "file", file.Name(), "bytes", damaged)
		}
	}()
	for len(p.points) < p.limit {
		n, err := file.ReadAt(l.buf, offset)
		used, ignored := l.parse(p, l.buf[:n])
		offset, damaged = offset+int64(used), damaged+ignored
		if errors.Is(err, io.EOF) {
			return offset, nil
		}
		if err != nil {
			return offset, err
		}
	}
	return offset, nil
}

// parse adds the logins in b, and returns how many bytes it has used. An
// incomplete record at the end of b is left for the next read. If a crash has
// cut a write short, the records after it are shifted. Bytes that belong to no
// record are ignored.
func (l *logins) parse(p *loginPoints, b []byte) (used, ignored int) {
	own := l.layouts[0].size
	for len(b)-used >= own {
		rest := b[used:]
		switch record, size := parseUtmp(l.layouts, rest); {
		case size > 0:
			p.addLogin(record)
			used += size
		case isZero(rest[:own]):
			used += own
		case len(rest) < longestUtmp:
			return used, ignored // perhaps a record of a longer layout
		default:
			used++
			ignored++
		}
	}
	return used, ignored
}
