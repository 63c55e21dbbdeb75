package hostmetrics

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// usage is what one process uses and has used.
type usage struct {
	memory          float64 // resident, in bytes
	ticks           uint64  // processor time
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

// begin is called before a walk: /proc may have been mounted since the last.
func (r *processReader) begin() {
	var st unix.Statfs_t
	r.realProc = unix.Statfs(r.proc, &st) == nil && int64(st.Type) == unix.PROC_SUPER_MAGIC
}

// read is not ok where the process has ended; a zombie, which has given
// everything back, is none of the program's processes any more. What may not be read of a
// foreign process is marked as not seen.
func (r *processReader) read(pid int) (u usage, start uint64, ok bool) {
	dir := r.proc + "/" + strconv.Itoa(pid)
	n, err := procfs.ReadInto(dir+"/stat", &r.buf)
	if err != nil {
		return u, 0, false
	}
	stat, ok := procfs.ParseStat(r.buf[:n])
	if !ok || stat.Dead() {
		return u, 0, false
	}
	u.ticks, u.memory = stat.UserTicks+stat.SystemTicks, float64(stat.ResidentPages)*r.pageSize
	u.descriptors, u.seesDescriptors = r.countDescriptors(dir + "/fd")
	if n, err = procfs.ReadInto(dir+"/io", &r.buf); err == nil {
		u.seesIO = u.parseIO(r.buf[:n])
	}
	return u, stat.Start, true
}

// name returns the process's name, of at most 15 bytes; it is for all to see.
func (r *processReader) name(pid int) string {
	n, err := procfs.ReadInto(r.proc+"/"+strconv.Itoa(pid)+"/comm", &r.buf)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSuffix(r.buf[:n], []byte{'\n'}))
}

// parseIO takes from proc_pid_io(5) what went from and to the disks.
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

// countDescriptors takes the number from the directory's size, which Linux
// since 6.2 says, and else counts them.
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
