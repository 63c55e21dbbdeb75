package httpapi_test

import (
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMetricsTellAboutTheProcess(t *testing.T) {
	body := newAPITest(t).do(t, "GET", "/metrics", "").body
	value := func(name string) float64 {
		found := regexp.MustCompile(`\n` + name + ` (\S+)\n`).FindStringSubmatch(body)
		require.NotNil(t, found, name)
		number, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		return number
	}
	require.InDelta(t, 1, value("process_cpu_seconds_total")/max(cpuTime(t).Seconds(), 0.01), 0.5)
	require.Greater(t, value("process_resident_memory_bytes"), 1e6)
	require.Greater(t, value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"))
	require.Greater(t, value("process_open_fds"), 3.0)
	require.Greater(t, value("process_max_fds"), value("process_open_fds"))
	require.InDelta(t, time.Now().Unix(), value("process_start_time_seconds"), 600)
}

// cpuTime returns what this process has used.
func cpuTime(t testing.TB) time.Duration {
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
