package hostmetrics

import (
	"bytes"
	"strconv"

	"github.com/lodastack/agent/internal/procfs"
)

// processDetail is what a program has more with collect.detail.
type processDetail struct {
	voluntary, involuntary float64 // switches to another thread, per second
	hasSwitches            bool
	hidesSwitches          bool    // of at least one process
	fileLimit              float64 // the lowest of its processes; 0: unknown
	filesUsed              float64 // the highest share of a process's limit, in %
}

func (d processDetail) addTo(metrics *points, name string) {
	if d.hasSwitches && !d.hidesSwitches {
		metrics.add(name+".ctxt.voluntary", d.voluntary, nil)
		metrics.add(name+".ctxt.involuntary", d.involuntary, nil)
	}
	if d.fileLimit > 0 {
		metrics.add(name+".fdlimit", d.fileLimit, nil)
		metrics.add(name+".fdnum.percent", d.filesUsed, nil)
	}
}

// switches counts how often threads gave way to another one: voluntary to wait,
// involuntary because their time was over (proc_pid_status(5)).
type switches struct{ voluntary, involuntary uint64 }

// detailReader reads more of single processes: a file for each thread, which the kernel
// needs 10 to 25 µs for, and the limits.
type detailReader struct {
	proc    string
	threads procfs.PIDLister
	buf     []byte
	// before and now are the threads of the last and the present walk, by their id.
	before, now map[int]switches
}

func newDetailReader(proc string) *detailReader {
	return &detailReader{proc: proc, buf: make([]byte, 2048), now: make(map[int]switches)}
}

// begin begins a walk. It does nothing for nil.
func (r *detailReader) begin() {
	if r == nil {
		return
	}
	r.before, r.now = r.now, r.before
	if r.now == nil {
		r.now = make(map[int]switches)
	}
	clear(r.now)
}

// measure adds a process to its programs. known means that the last walk had it, seconds
// ago.
func (r *detailReader) measure(pid int, u usage, known bool, seconds float64, running []*program) {
	dir := r.proc + "/" + strconv.Itoa(pid)
	since, ok := r.switchesSince(dir)
	limit, limited := r.fileLimit(dir)
	for _, p := range running {
		d := &p.detail
		d.hidesSwitches = d.hidesSwitches || !ok
		if known && seconds > 0 {
			d.hasSwitches = true
			d.voluntary += float64(since.voluntary) / seconds
			d.involuntary += float64(since.involuntary) / seconds
		}
		if limited && (d.fileLimit == 0 || limit < d.fileLimit) {
			d.fileLimit = limit
		}
		if limited && u.seesDescriptors {
			d.filesUsed = max(d.filesUsed, 100*u.descriptors/limit)
		}
	}
}

// switchesSince returns the switches of the living threads of a process since the last walk.
// A thread that is new has begun since then. The last switches of a thread that has ended are
// not counted.
func (r *detailReader) switchesSince(dir string) (since switches, ok bool) {
	r.threads.Dir = dir + "/task"
	threads, err := r.threads.List()
	if err != nil {
		return since, false
	}
	for _, thread := range threads {
		n, err := procfs.ReadInto(r.threads.Dir+"/"+strconv.Itoa(thread)+"/status", &r.buf)
		if err != nil {
			continue // it has ended
		}
		now, ok := parseSwitches(r.buf[:n])
		if !ok {
			return since, false
		}
		r.now[thread] = now
		before := r.before[thread]
		if now.voluntary >= before.voluntary && now.involuntary >= before.involuntary {
			since.voluntary += now.voluntary - before.voluntary
			since.involuntary += now.involuntary - before.involuntary
		}
	}
	return since, true
}

func parseSwitches(status []byte) (s switches, ok bool) {
	voluntary, ok1 := afterKey(status, "\nvoluntary_ctxt_switches:")
	involuntary, ok2 := afterKey(status, "\nnonvoluntary_ctxt_switches:")
	return switches{voluntary, involuntary}, ok1 && ok2
}

// fileLimit returns the soft limit of open files in /proc/PID/limits (proc_pid_limits(5)).
func (r *detailReader) fileLimit(dir string) (limit float64, ok bool) {
	n, err := procfs.ReadInto(dir+"/limits", &r.buf)
	if err != nil {
		return 0, false
	}
	files, ok := afterKey(r.buf[:n], "\nMax open files")
	return float64(files), ok && files > 0
}

// afterKey returns the number after key.
func afterKey(content []byte, key string) (uint64, bool) {
	_, after, found := bytes.Cut(content, []byte(key))
	if !found {
		return 0, false
	}
	w := procfs.NewWords(after)
	return w.Number()
}
