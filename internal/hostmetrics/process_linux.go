package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/procfs"
	"golang.org/x/sys/unix"
)

// usage is the present and the past use of a process.
type usage struct {
	memory          float64 // resident, in bytes
	ticks           uint64  // processor time
	threads         float64
	descriptors     float64
	read, written   uint64 // bytes from and to the disks
	seesDescriptors bool
	seesIO          bool
}

// processReader reads single processes.
type processReader struct {
	proc     string
	pageSize float64
	buf      []byte
	fds      procfs.PIDLister
	realProc bool
}

func newProcessReader(proc string) processReader {
	return processReader{proc: proc, pageSize: float64(os.Getpagesize()), buf: make([]byte, 1024)}
}

// begin is called before each walk, because /proc may have been mounted anew.
func (r *processReader) begin() {
	var st unix.Statfs_t
	r.realProc = unix.Statfs(r.proc, &st) == nil && int64(st.Type) == unix.PROC_SUPER_MAGIC
}

// errGone means that the process has ended. A zombie counts as ended, because
// it uses nothing any more.
var errGone = errors.New("the process has ended")

// read returns what a process uses, and its start time. What may not be read of
// another user's process is marked as hidden.
func (r *processReader) read(pid int) (u usage, start uint64, err error) {
	dir := r.dir(pid)
	n, err := procfs.ReadInto(dir+"/stat", &r.buf)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return u, 0, errGone
	}
	if err != nil {
		return u, 0, err
	}
	stat, ok := procfs.ParseStat(r.buf[:n])
	if !ok {
		return u, 0, fmt.Errorf("%s/stat is not in the format of proc_pid_stat(5)", dir)
	}
	if stat.Dead() {
		return u, 0, errGone
	}
	u.threads = float64(stat.Threads)
	u.ticks, u.memory = stat.UserTicks+stat.SystemTicks, float64(stat.ResidentPages)*r.pageSize
	u.descriptors, u.seesDescriptors = r.countDescriptors(dir + "/fd")
	if n, err := procfs.ReadInto(dir+"/io", &r.buf); err == nil {
		u.seesIO = u.parseIO(r.buf[:n])
	}
	return u, stat.Start, nil
}

func (r *processReader) dir(pid int) string { return r.proc + "/" + strconv.Itoa(pid) }

// names returns the possible names of a process whose executable may not be
// read: its own, of at most 15 bytes, and that of its command line. A process
// can change both. The result is empty if the process is completely hidden.
func (r *processReader) names(pid int) (names []string) {
	n, err := procfs.ReadInto(r.dir(pid)+"/comm", &r.buf)
	if err != nil {
		return nil
	}
	names = append(names, string(bytes.TrimSuffix(r.buf[:n], []byte{'\n'})))
	if n, err = procfs.ReadInto(r.dir(pid)+"/cmdline", &r.buf); err == nil {
		command, _, _ := bytes.Cut(r.buf[:n], []byte{0})
		names = append(names, commandName(string(command)))
	}
	return names
}

// commandLine returns the arguments of a process, joined by blanks. It is valid until the
// next read.
func (r *processReader) commandLine(pid int) ([]byte, error) {
	n, err := procfs.ReadInto(r.dir(pid)+"/cmdline", &r.buf)
	if err != nil {
		return nil, err
	}
	line := bytes.TrimRight(r.buf[:n], "\x00")
	for i, c := range line {
		if c == 0 {
			line[i] = ' '
		}
	}
	return line, nil
}

// groups returns the names of the process's cgroups and of those that they are in
// (proc_pid_cgroup(5)).
func (r *processReader) groups(pid int) []string {
	n, err := procfs.ReadInto(r.dir(pid)+"/cgroup", &r.buf)
	if err != nil {
		return nil
	}
	return strings.FieldsFunc(string(r.buf[:n]), func(c rune) bool { return c == '/' || c == '\n' })
}

// parseIO parses the bytes from and to the disks in proc_pid_io(5).
func (u *usage) parseIO(content []byte) bool {
	var ok1, ok2 bool
	for len(content) > 0 {
		var line []byte
		line, content = procfs.CutLine(content)
		w := procfs.NewWords(line)
		switch string(w.Next()) {
		case "read_bytes:":
			u.read, ok1 = w.Number()
		case "write_bytes:":
			u.written, ok2 = w.Number()
		}
	}
	return ok1 && ok2
}

// countDescriptors returns the size of the directory, which Linux sets since
// 6.2, and counts the descriptors in older versions.
func (r *processReader) countDescriptors(dir string) (float64, bool) {
	if r.realProc {
		var st unix.Stat_t
		if unix.Stat(dir, &st) == nil && st.Size > 0 {
			return float64(st.Size), true
		}
	}
	r.fds.Dir = dir
	fds, err := r.fds.List()
	return float64(len(fds)), err == nil
}
