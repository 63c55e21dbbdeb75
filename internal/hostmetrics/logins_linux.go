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
	"golang.org/x/sys/unix"
)

const (
	// loginsAtOnce bounds the logins of one file and one collection; the next
	// goes on where it stopped.
	loginsAtOnce = 5000
	// recordsAtOnce are read in one go.
	recordsAtOnce = 64
)

// logins reports each login once: the successful ones of wtmp and the failed
// ones of btmp.
type logins struct {
	log    *slog.Logger
	dir    string
	layout utmpLayout
	state  stateFile
	loaded bool
	marks  map[string]mark // by the file's name
	buf    []byte
}

// mark is how far a file has been read. A file that was rotated is another
// file, with another inode.
type mark struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
}

func newLogins(c Config) agent.Collector {
	layout := systemUtmp()
	return &logins{
		log:    c.Logger,
		dir:    filepath.Join(c.Root, "var/log"),
		layout: layout,
		state:  newStateFile(c.StateDir, "logins.json"),
		marks:  make(map[string]mark),
		buf:    make([]byte, recordsAtOnce*layout.size),
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
	var p points
	before := maps.Clone(l.marks)
	err := errors.Join(l.collect(&p, "wtmp", true), l.collect(&p, "btmp", false))
	if !maps.Equal(before, l.marks) {
		err = errors.Join(err, l.state.save(l.marks))
	}
	return p, err
}

// collect reports what a file, and before it the one that was rotated away
// from its place, has got since the last collection. A host without the file
// has no such logins.
func (l *logins) collect(p *points, name string, success bool) error {
	path := filepath.Join(l.dir, name)
	file, inode, err := openLog(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading logins: %w", err)
	}
	defer file.Close()
	m, known := l.marks[name]
	if !known {
		m = mark{inode, l.recent(file)}
	}
	if m.Inode != inode {
		if done, err := l.finishRotated(p, path+".1", name, success); !done || err != nil {
			return err
		}
		m = mark{inode, 0}
	}
	m.Offset, err = l.read(p, file, m.Offset, success)
	l.marks[name] = m
	if err != nil {
		return fmt.Errorf("reading logins: %w", err)
	}
	return nil
}

// finishRotated reads the rest of the file that was rotated to path, if it is
// still there. It returns false while some is left for the next collection.
func (l *logins) finishRotated(p *points, path, name string, success bool) (done bool, err error) {
	file, inode, err := openLog(path)
	if err != nil {
		return true, nil
	}
	defer file.Close()
	m := l.marks[name]
	if inode != m.Inode {
		return true, nil
	}
	before := len(*p)
	m.Offset, err = l.read(p, file, m.Offset, success)
	l.marks[name] = m
	if err != nil {
		return false, fmt.Errorf("reading logins: %w", err)
	}
	return len(*p)-before < loginsAtOnce, nil
}

// openLog does not wait for a writer where somebody has put a pipe.
func openLog(path string) (*os.File, uint64, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, 0, errors.Join(&os.PathError{Op: "stat", Path: path, Err: err}, file.Close())
	}
	return file, st.Ino, nil
}

// read reports the logins from offset on and returns where it stopped. A file
// that has become shorter was emptied, and is read from its beginning.
func (l *logins) read(p *points, file io.ReaderAt, offset int64, success bool) (int64, error) {
	if n, _ := file.ReadAt(l.buf[:1], max(offset-1, 0)); n == 0 {
		offset = 0
	}
	for enough := len(*p) + loginsAtOnce; len(*p) < enough; {
		n, err := file.ReadAt(l.buf, offset)
		whole := n - n%l.layout.size // the last record may still be being written
		for at := 0; at < whole; at += l.layout.size {
			l.report(p, l.layout.parse(l.buf[at:at+l.layout.size]), success)
		}
		offset += int64(whole)
		if errors.Is(err, io.EOF) {
			return offset, nil
		}
		if err != nil {
			return offset, err
		}
	}
	return offset, nil
}

// report leaves out records of wtmp that are no logins: boots, ends of
// sessions, terminals that wait for somebody.
func (l *logins) report(p *points, r login, success bool) {
	failed := !success && (r.kind == utmpUserProcess || r.kind == utmpLoginProcess)
	if !failed && !(success && r.kind == utmpUserProcess && r.user != "") {
		return
	}
	m := agent.Metric{
		Name:      "kernel.user.login",
		Timestamp: r.time.Unix(),
		Tags:      map[string]string{"user": r.user, "remote": r.remote, "device": r.line, "success": "false"},
		Value:     0.0,
	}
	if success {
		m.Tags["success"], m.Value = "true", 1.0
	}
	*p = append(*p, m)
}

// recent returns the offset of the first of the last records that is not
// older than firstLook.
func (l *logins) recent(file io.ReadSeeker) int64 {
	size := int64(l.layout.size)
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0
	}
	offset := end - end%size
	for range loginsAtOnce {
		if offset == 0 {
			break
		}
		if _, err := file.Seek(offset-size, io.SeekStart); err != nil {
			break
		}
		if _, err := io.ReadFull(file, l.buf[:size]); err != nil || time.Since(l.layout.parse(l.buf).time) > firstLook {
			break
		}
		offset -= size
	}
	return offset
}
