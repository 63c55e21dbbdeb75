//go:build linux

package hostmetrics_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// FuzzKernelFiles gives any two contents, one after the other, to a file of the
// kernel. Whatever it holds, no collector panics, and no value is impossible.
func FuzzKernelFiles(f *testing.F) {
	kindOf := map[string]string{
		"proc/stat": "CPU", "proc/loadavg": "CPU", "proc/meminfo": "MEM", "proc/diskstats": "DISK",
		"proc/net/dev": "NET", "proc/net/sockstat": "NET", "proc/net/sockstat6": "NET", "proc/net/netstat": "NET", "proc/net/snmp": "NET",
		"proc/pressure/io": "PSI", "proc/vmstat": "VM", "proc/uptime": "VM",
		"sys/block/md0/md/array_state": "DEV", "sys/block/md0/md/sync_completed": "DEV", "sys/block/md0/md/sync_speed": "DEV",
		"sys/block/md0/md/dev-sda1/state": "DEV", "sys/class/hwmon/hwmon0/power1_average": "DEV",
		"sys/fs/cgroup/a/cpu.stat": "CGROUP", "sys/fs/cgroup/a/memory.events": "CGROUP", "sys/fs/cgroup/a/pids.max": "CGROUP",
		"proc/sys/kernel/random/entropy_avail": "KERNEL", "proc/sys/fs/file-nr": "FS", "proc/1/mountinfo": "FS",
		"proc/100/stat": "PROC", "proc/100/io": "PROC",
	}
	for file := range kindOf {
		for _, host := range []string{"server", "linux-2.6.32", "processes"} {
			before, err := os.ReadFile(filepath.Join("testdata/hosts", host, "before", file))
			if err != nil {
				continue
			}
			after, err := os.ReadFile(filepath.Join("testdata/hosts", host, "after", file))
			require.NoError(f, err)
			f.Add(file, string(before), string(after))
		}
	}
	root := f.TempDir() // one for all inputs: making it takes most of the time
	for file := range kindOf {
		require.NoError(f, os.MkdirAll(filepath.Join(root, filepath.Dir(file)), 0o755))
	}
	for _, name := range []string{"sda", "nvme0n1"} {
		require.NoError(f, os.MkdirAll(filepath.Join(root, "sys/block", name), 0o755))
	}
	require.NoError(f, os.Symlink("/usr/sbin/nginx", filepath.Join(root, "proc/100/exe")))
	stat := filepath.Join(root, "proc/100/stat")
	f.Fuzz(func(t *testing.T, file, before, after string) {
		kind, known := kindOf[file]
		if !known {
			return
		}
		write(t, stat, "100 (nginx) S 1 1 1 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 100 0 10 0 0")
		defer os.Remove(filepath.Join(root, file))
		kinds := hostmetrics.Kinds(hostmetrics.Config{Root: root, Disable: []string{"TIME", "PORT"}, Detail: hostmetrics.DetailedKinds(), Include: globs{Cgroups: []string{"*"}}})
		hostmetrics.FakeFileSystems(kinds, func(string, bool) (hostmetrics.Space, bool, error) {
			return hostmetrics.Space{Blocks: 100, Free: 50, Available: 50, Inodes: 10, FreeInodes: 5}, true, nil
		})
		hostmetrics.SkipFirstGap(kinds)
		for _, content := range []string{before, after} {
			write(t, filepath.Join(root, file), content)
			for _, m := range measure(t, find(t, kinds, kind)) {
				requirePossible(t, m)
			}
		}
	})
}

// measure collects one kind. Errors belong to contents that are none.
func measure(t *testing.T, k hostmetrics.Kind) (metrics []agent.Metric) {
	if k.Collector != nil {
		metrics, _ = k.Collector.Collect(t.Context())
		return metrics
	}
	batches, _ := k.Assigned.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{processItem("nginx", "/usr/sbin/nginx")}}})
	for _, b := range batches {
		metrics = append(metrics, b.Metrics...)
	}
	return metrics
}

func requirePossible(t *testing.T, m agent.Metric) {
	value, ok := m.Value.(float64)
	require.True(t, ok, line(m))
	require.False(t, math.IsNaN(value) || math.IsInf(value, 0) || value < 0, line(m))
	share := strings.HasPrefix(m.Name, "cpu.") && !strings.HasPrefix(m.Name, "cpu.loadavg") && m.Name != "cpu.ctxt" && m.Name != "cpu.intr" ||
		strings.HasPrefix(m.Name, "mem.") && strings.HasSuffix(m.Name, ".percent") || m.Name == "dev.raid.sync.percent" || m.Name == "cgroup.cpu.throttled" || m.Name == "disk.io.util" ||
		strings.HasPrefix(m.Name, "psi.")
	require.False(t, share && value > 100.000001, line(m))
}

// FuzzLogins writes any content to a login file, in two pieces. What is read
// of it are logins, each once.
func FuzzLogins(f *testing.F) {
	now := time.Now()
	one := ofUser("a", now).bytes()
	f.Add(string(one), string(one))
	f.Add(string(one[:100]), string(one[100:]))
	root := f.TempDir()
	f.Add("shifted"+string(one), string(one[:380])+string(one))
	f.Fuzz(func(t *testing.T, first, second string) {
		h := &loginHost{t: t, root: root} // without a state, which is slow to save
		h.restart()
		for _, name := range []string{"wtmp", "btmp"} {
			write(t, h.log(name), first)
		}
		got := h.collect()
		for _, name := range []string{"wtmp", "btmp"} {
			appendBytes(t, h.log(name), []byte(second))
		}
		got = append(got, h.collect()...)
		require.LessOrEqual(t, len(got), 2*(len(first)+len(second))/384)
		require.Empty(t, h.collect())
	})
}

// FuzzCoredumpNames never panics, and finds no service without a name.
func FuzzCoredumpNames(f *testing.F) {
	f.Add("core.nginx.12.1700000000")
	f.Add(`core.a\x2eb.0.0123456789abcdef0123456789abcdef.12.1700000000000000.zst`)
	f.Fuzz(func(t *testing.T, name string) {
		if service, ok := hostmetrics.CoredumpService(name); ok {
			require.NotEmpty(t, service)
		}
	})
}
