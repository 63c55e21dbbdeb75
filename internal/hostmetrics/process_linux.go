package hostmetrics

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is USER_HZ, which is 100 on every architecture that Go runs
// on.
const ticksPerSecond = 100

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
	fds      pidLister
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

// read is not ok where the process has ended. What may not be read of a
// foreign process is marked as not seen.
func (r *processReader) read(pid int) (u usage, start uint64, ok bool) {
	dir := r.proc + "/" + strconv.Itoa(pid)
	n, err := readInto(dir+"/stat", &r.buf)
	if err != nil {
		return u, 0, false
	}
	if start, ok = u.parseStat(r.buf[:n], r.pageSize); !ok {
		return u, 0, false
	}
	u.descriptors, u.seesDescriptors = r.countDescriptors(dir + "/fd")
	if n, err = readInto(dir+"/io", &r.buf); err == nil {
		u.seesIO = u.parseIO(r.buf[:n])
	}
	return u, start, true
}

// name returns the process's name, of at most 15 bytes; it is for all to see.
func (r *processReader) name(pid int) string {
	n, err := readInto(r.proc+"/"+strconv.Itoa(pid)+"/comm", &r.buf)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSuffix(r.buf[:n], []byte{'\n'}))
}

// parseStat takes from proc_pid_stat(5) utime (14), stime (15), starttime (22)
// and rss (24). A zombie, which has given everything back, is none of the
// program's processes any more.
func (u *usage) parseStat(stat []byte, pageSize float64) (start uint64, ok bool) {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 || processState(stat) == 'Z' {
		return 0, false
	}
	w := words{stat[i+1:]}
	w.skip(11) // fields 3 to 13
	utime, ok1 := w.number()
	stime, ok2 := w.number()
	w.skip(6)
	start, ok3 := w.number()
	w.skip(1)
	pages, ok4 := w.number()
	u.ticks, u.memory = utime+stime, float64(pages)*pageSize
	return start, ok1 && ok2 && ok3 && ok4
}

// parseIO takes from proc_pid_io(5) what went from and to the disks.
func (u *usage) parseIO(content []byte) bool {
	var ok1, ok2 bool
	for len(content) > 0 {
		var line []byte
		line, content = cutLine(content)
		w := words{line}
		switch string(w.next()) {
		case "read_bytes:":
			u.read, ok1 = w.number()
		case "write_bytes:":
			u.written, ok2 = w.number()
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
	r.fds.proc = dir
	fds, err := r.fds.list()
	return float64(len(fds)), err == nil
}
