//go:build linux

package hostmetrics_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	own "github.com/lodastack/agent/internal/procfs"
	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cpuTime is what this process has used, in user and kernel mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measureCPU runs round b.N times and reports its CPU time.
func measureCPU(b *testing.B, round func()) {
	b.ReportAllocs()
	began := cpuTime()
	for b.Loop() {
		round()
	}
	b.ReportMetric(float64(cpuTime()-began)/float64(time.Microsecond)/float64(b.N), "cpu-µs/op")
}

// sources are the files that a kind reads in each round.
func sources() map[string][]string {
	return map[string][]string{
		"CPU": {"stat", "loadavg"}, "MEM": {"meminfo"}, "DISK": {"diskstats"},
		"NET": {"net/dev", "net/sockstat", "net/sockstat6", "net/netstat", "net/snmp"},
		"PSI": {"pressure/cpu", "pressure/memory", "pressure/io"}, "VM": {"vmstat", "stat", "uptime"},
	}
}

// plainRead returns the CPU time of reading the sources of a kind, and nothing else.
func plainRead(kind string) time.Duration {
	var files []own.File
	for _, name := range sources()[kind] {
		files = append(files, own.NewFile("/proc", name))
	}
	processes := own.PIDLister{Dir: "/proc"}
	const rounds = 1000
	began := cpuTime()
	for range rounds {
		for i := range files {
			files[i].Read()
		}
		if kind == "CPU" { // counts the processes
			processes.List()
		}
	}
	return (cpuTime() - began) / rounds
}

// BenchmarkKind is a round of each kind on this host. plain is how many times as long it
// takes as a plain read of the same files.
func BenchmarkKind(b *testing.B) {
	kinds := hostmetrics.Kinds(hostmetrics.Config{StateDir: b.TempDir()})
	for _, k := range kinds {
		if k.Name == "TIME" || k.Collector == nil {
			continue // waits for the network, or has nothing to measure
		}
		b.Run(k.Name, func(b *testing.B) {
			if _, err := k.Collector.Collect(b.Context()); err != nil {
				b.Skip(err)
			}
			began := cpuTime()
			measureCPU(b, func() { k.Collector.Collect(b.Context()) })
			used := cpuTime() - began
			if plain := plainRead(k.Name); plain > 0 && sources()[k.Name] != nil {
				b.ReportMetric(float64(used)/float64(b.N)/float64(plain), "plain")
			}
		})
	}
}

// BenchmarkRound is CPU, MEM, DISK, NET, PSI and VM, as they are due every ten
// seconds: repeated at once, and cold, after a pause in which the caches of
// the processor forget. Then every kind but TIME, which waits for the network.
func BenchmarkRound(b *testing.B) {
	kinds := hostmetrics.Kinds(hostmetrics.Config{})
	round := func() {
		for _, k := range kinds[:6] {
			k.Collector.Collect(context.Background())
		}
	}
	round()
	b.Run("repeated", func(b *testing.B) { measureCPU(b, round) })
	b.Run("cold", func(b *testing.B) {
		var used time.Duration
		for b.Loop() {
			time.Sleep(500 * time.Millisecond)
			began := cpuTime()
			round()
			used += cpuTime() - began
		}
		b.ReportMetric(float64(used)/float64(time.Microsecond)/float64(b.N), "cpu-µs/op")
	})
	b.Run("every kind", func(b *testing.B) {
		measureCPU(b, func() {
			for _, k := range kinds {
				if k.Name != "TIME" && k.Collector != nil {
					k.Collector.Collect(context.Background())
				}
			}
		})
	})
}

// BenchmarkProcfs reads with prometheus/procfs what CPU, MEM, DISK and NET
// read, without computing anything.
func BenchmarkProcfs(b *testing.B) {
	fs, err := procfs.NewDefaultFS()
	require.NoError(b, err)
	disks, err := blockdevice.NewDefaultFS()
	require.NoError(b, err)
	for _, reading := range []struct {
		kind string
		read func() error
	}{
		{"CPU", func() error {
			_, err1 := fs.Stat()
			_, err2 := fs.LoadAvg()
			_, err3 := fs.AllProcs()
			return firstOf(err1, err2, err3)
		}},
		{"MEM", func() error { _, err := fs.Meminfo(); return err }},
		{"DISK", func() error { _, err := disks.ProcDiskstats(); return err }},
		{"NET", func() error {
			self, err := fs.Self()
			_, err1 := fs.NetDev()
			_, err2 := fs.NetSockstat()
			_, err3 := self.Netstat()
			_, err4 := self.Snmp()
			return firstOf(err, err1, err2, err3, err4)
		}},
	} {
		b.Run(reading.kind, func(b *testing.B) {
			measureCPU(b, func() {
				if err := reading.read(); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkPROC looks for 50 and for 500 programs, and for 500 patterns of command lines,
// among 5,000 processes whose command lines all differ. plain is how many times as long it
// takes as a plain read of the link or the command line of every process.
func BenchmarkPROC(b *testing.B) {
	if testing.Short() {
		b.Skip("starts 5,000 processes")
	}
	sleep, err := exec.LookPath("sleep")
	require.NoError(b, err)
	for i := range 5000 {
		c := exec.Command(sleep, fmt.Sprint(600+i))
		require.NoError(b, c.Start())
		b.Cleanup(func() { c.Process.Kill(); c.Wait() })
	}
	executables := func(n int) (a agent.Assignment) {
		for i := range n {
			a.Processes = append(a.Processes, agent.Process{Name: fmt.Sprintf("PROC.%d", i), Path: fmt.Sprintf("/usr/sbin/none%d", i)})
		}
		a.Processes[0].Path = "/proc/self/exe"
		return a
	}
	patterns := func(n int) (a agent.Assignment) {
		for i := range n {
			a.Processes = append(a.Processes, agent.Process{Name: fmt.Sprintf("PROC.%d", i), Cmdline: fmt.Sprintf("java .*App%d$", i)})
		}
		return a
	}
	buf := make([]byte, 4096)
	link := func(pid int) { unix.Readlink(fmt.Sprintf("/proc/%d/exe", pid), buf) }
	line := func(pid int) { own.ReadInto(fmt.Sprintf("/proc/%d/cmdline", pid), &buf) }
	for _, c := range []struct {
		name  string
		items agent.Assignment
		plain func(pid int)
	}{
		{"50", executables(50), link}, {"500", executables(500), link}, {"patterns", patterns(500), line},
	} {
		b.Run(c.name, func(b *testing.B) {
			plain := cpuTime()
			processes := own.PIDLister{Dir: "/proc"}
			pids, err := processes.List()
			require.NoError(b, err)
			for _, pid := range pids {
				c.plain(pid)
			}
			plain = cpuTime() - plain
			proc := assigned(b, hostmetrics.Kinds(hostmetrics.Config{}), "PROC")
			assignments := []agent.Assignment{c.items}
			began := cpuTime()
			proc.CollectAssigned(b.Context(), assignments)
			first := cpuTime() - began
			for range hostmetrics.SettledAfter {
				proc.CollectAssigned(b.Context(), assignments)
			}
			began = cpuTime()
			measureCPU(b, func() { proc.CollectAssigned(b.Context(), assignments) })
			b.ReportMetric(float64(cpuTime()-began)/float64(b.N)/float64(plain), "plain")
			b.ReportMetric(float64(first)/float64(time.Microsecond), "first-µs")
		})
	}
}

// BenchmarkPORT tries 500 ports, half of which accept.
func BenchmarkPORT(b *testing.B) {
	var a agent.Assignment
	for i := range 500 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(b, err)
		if i%2 == 0 {
			defer l.Close()
		} else {
			l.Close()
		}
		a.Ports = append(a.Ports, agent.Port{Name: fmt.Sprintf("PORT.%d", i), Port: l.Addr().(*net.TCPAddr).Port})
	}
	port := assigned(b, hostmetrics.Kinds(hostmetrics.Config{}), "PORT")
	measureCPU(b, func() { port.CollectAssigned(b.Context(), []agent.Assignment{a}) })
}
