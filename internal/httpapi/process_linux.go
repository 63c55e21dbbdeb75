package httpapi

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// process adds the figures of this process that Prometheus's client libraries
// have under these names. One that cannot be read is left out.
func (e *exposition) process() {
	if stat, err := procfs.ReadStat(os.Getpid()); err == nil {
		e.family("process_cpu_seconds_total", "counter", "CPU time that the agent itself has used, without plugins.")
		e.sample(float64(stat.UserTicks+stat.SystemTicks) / procfs.TicksPerSecond)
		e.family("process_resident_memory_bytes", "gauge", "Resident memory of the agent itself.")
		e.sample(float64(stat.ResidentPages) * float64(os.Getpagesize()))
		var sinceBoot unix.Timespec
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &sinceBoot) == nil {
			age := time.Duration(sinceBoot.Nano()) - time.Duration(stat.Start)*time.Second/procfs.TicksPerSecond
			e.family("process_start_time_seconds", "gauge", "When the process started, in Unix time.")
			e.sample(unixSeconds(time.Now().Add(-age)))
		}
	}
	if content, err := os.ReadFile("/proc/self/statm"); err == nil {
		pages, _, _ := strings.Cut(string(content), " ")
		if n, err := strconv.ParseUint(pages, 10, 64); err == nil {
			e.family("process_virtual_memory_bytes", "gauge", "Virtual memory of the agent itself.")
			e.sample(float64(n) * float64(os.Getpagesize()))
		}
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		e.family("process_open_fds", "gauge", "Open file descriptors.")
		e.sample(float64(len(open) - 1)) // one is of the directory itself
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		e.family("process_max_fds", "gauge", "How many file descriptors may be open.")
		e.sample(float64(limit.Cur))
	}
}
