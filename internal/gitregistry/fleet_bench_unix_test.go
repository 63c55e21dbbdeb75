//go:build unix

package gitregistry

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/stretchr/testify/require"
)

// BenchmarkLargeFleet parses a head of 2,000 namespaces with 10,000 patterns of hosts, and
// chooses those of a host: the first time, and after a change of one file. It prints CPU time,
// which other work on the machine does not change much. Both are also printed as ratios to
// that in which the TOML library only reads the files.
func BenchmarkLargeFleet(b *testing.B) {
	var head Head
	for i := range 2000 {
		var hosts []string
		for j := range 5 {
			hosts = append(hosts, fmt.Sprintf("\"web-%d-%d-*\"", i, j))
		}
		head.Files = append(head.Files, File{Name: fmt.Sprintf("web-%d.toml", i), Content: fmt.Appendf(nil, `name = "web.%d"
hosts = [ %s ]
[intervals]
CPU = "10s"
[[plugin]]
repo = "ops/mysql"
interval = "60s"
[[port]]
name = "sshd"
port = 22
`, i, strings.Join(hosts, ", "))})
	}
	for i := range head.Files {
		head.Files[i].Object = strconv.Itoa(i)
	}
	var reading, all, change time.Duration
	var allocated uint64
	for b.Loop() {
		reading += took(func() {
			for _, f := range head.Files {
				var tree map[string]any
				require.NoError(b, toml.Unmarshal(f.Content, &tree))
			}
		})
		var first *Fleet
		before := allocatedBytes()
		all += took(func() { first = chosen(b, head, nil) })
		allocated += allocatedBytes() - before
		change += took(func() {
			head.Files[7].Object += "x"
			chosen(b, head, first)
		})
	}
	b.ReportMetric(float64(allocated)/float64(b.N)/(1<<20), "MiB/first")
	b.ReportMetric(float64(all.Microseconds())/1000/float64(b.N), "ms/first")
	b.ReportMetric(float64(change.Microseconds())/1000/float64(b.N), "ms/change")
	b.ReportMetric(all.Seconds()/reading.Seconds(), "first-of-reading")
	b.ReportMetric(change.Seconds()/reading.Seconds(), "change-of-reading")
}

// chosen parses the head and chooses what a host has.
func chosen(b *testing.B, head Head, last *Fleet) *Fleet {
	fleet, err := parseHead(head, "", last)
	require.NoError(b, err)
	require.Len(b, fleet.Assignments("web-7-3-x"), 1)
	return fleet
}

// took returns the CPU time that f takes, with that of the garbage collector.
func took(f func()) time.Duration {
	began := cpuTime()
	f()
	return cpuTime() - began
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func allocatedBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
