//go:build linux

package hostmetrics_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func processItem(name, path string) agent.Process {
	return agent.Process{Name: "PROC." + name, Path: path}
}

func batchLines(batches []agent.Batch) map[string][]string {
	l := make(map[string][]string)
	for _, b := range batches {
		l[b.Namespace] = append(l[b.Namespace], lines(b.Metrics)...)
	}
	return l
}

func TestProgramsAreSummedOverTheirProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "processes")
		proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: w.Root}), "PROC")
		assignments := []agent.Assignment{
			{Namespace: "web", Processes: []agent.Process{processItem("nginx", "/usr/sbin/nginx"), processItem("gone", "/usr/bin/gone")}},
			{Namespace: "none"},
			{Namespace: "app", Processes: []agent.Process{processItem("py", "/usr/bin/python"), processItem("web", "/usr/sbin/nginx")}},
		}
		_, err := proc.CollectAssigned(t.Context(), assignments)
		require.NoError(t, err)
		w.show("after")
		time.Sleep(10 * time.Second)
		batches, err := proc.CollectAssigned(t.Context(), assignments)
		require.NoError(t, err)

		page := os.Getpagesize()
		require.Equal(t, 4096, page)
		nginx := func(name string) []string {
			return []string{
				name + ".procnum 3",
				name + ".threads 3",
				name + ".mem 8.23296e+06", // (1000 + 1000 + 10) pages
				name + ".fdnum 8",         // 4 + 3 + 1
				name + ".cpu 50",          // 400 and 100 ticks of 10 ms in 10 s
				name + ".io.read 1024",    // 10240 B in 10 s
				name + ".io.write 4096",   // 40960 B in 10 s
			}
		}
		want := map[string][]string{
			"web": append(nginx("PROC.nginx"), "PROC.gone.procnum 0", "PROC.gone.threads 0", "PROC.gone.mem 0", "PROC.gone.fdnum 0",
				"PROC.gone.cpu 0", "PROC.gone.io.read 0", "PROC.gone.io.write 0"),
			// io may not be read of this one.
			"app": append([]string{"PROC.py.procnum 1", "PROC.py.threads 1", "PROC.py.mem 8.192e+06", "PROC.py.fdnum 3", "PROC.py.cpu 100"}, nginx("PROC.web")...),
		}
		require.Equal(t, want, batchLines(batches))
	})
}

func TestFirstCollectionOfAProgramHasItsRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "processes")
		proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: w.Root}), "PROC")
		go func() {
			time.Sleep(250 * time.Millisecond)
			w.show("after")
		}()
		batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{processItem("py", "/usr/bin/python3.11")}}})
		require.NoError(t, err)
		require.Contains(t, batchLines(batches)[""], "PROC.py.cpu 2000") // 10 s in half a second
	})
}

func TestRealProcessesAreCounted(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	binary := filepath.Join(t.TempDir(), "sleep-of-its-own")
	content, err := os.ReadFile(sleep)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, content, 0o755))
	var pids []int
	for range 3 {
		c := exec.Command(binary, "60")
		require.NoError(t, c.Start())
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		pids = append(pids, c.Process.Pid)
	}
	require.NoError(t, os.Remove(binary)) // they are "(deleted)" now

	proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{}), "PROC")
	batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{processItem("s", binary)}}})
	require.NoError(t, err)
	descriptors := 0
	for _, pid := range pids {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		require.NoError(t, err)
		descriptors += len(fds)
	}
	got := batchLines(batches)[""]
	require.Len(t, got, 7)
	require.Equal(t, "PROC.s.procnum 3", got[0])
	require.Equal(t, fmt.Sprint("PROC.s.fdnum ", descriptors), got[3])
}

func TestProcessesThatCannotBeSeenAreNotReportedAsGone(t *testing.T) {
	if _, err := os.Readlink("/proc/1/exe"); err == nil {
		t.Skip("this user sees every process")
	}
	comm, err := os.ReadFile("/proc/1/comm")
	require.NoError(t, err)
	proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{}), "PROC")
	path := "/nowhere/" + strings.TrimSpace(string(comm))
	batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{
		processItem("init", path), processItem("other", "/nowhere/else"),
	}}})
	require.ErrorContains(t, err, "measuring "+path)
	require.ErrorContains(t, err, "CAP_SYS_PTRACE")
	require.Len(t, batchLines(batches)[""], 7)
	require.Contains(t, batchLines(batches)[""], "PROC.other.procnum 0")
}

func TestInDetailAProgramHasItsSwitchesAndItsLimitOfFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "processes")
		proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: w.Root, Detail: []string{"PROC"}}), "PROC")
		assignments := []agent.Assignment{{Processes: []agent.Process{
			processItem("nginx", "/usr/sbin/nginx"), processItem("gone", "/usr/bin/gone"), processItem("py", "/usr/bin/python3.11"),
		}}}
		_, err := proc.CollectAssigned(t.Context(), assignments)
		require.NoError(t, err)
		w.show("after")
		time.Sleep(10 * time.Second)
		batches, err := proc.CollectAssigned(t.Context(), assignments)
		require.NoError(t, err)
		got := batchLines(batches)[""]
		require.Equal(t, []string{
			"PROC.nginx.ctxt.voluntary 90", // 500 of a thread, 300 of a new one, 100 of another process
			"PROC.nginx.ctxt.involuntary 1",
			"PROC.nginx.fdlimit 16",
			"PROC.nginx.fdnum.percent 18.75", // 3 of 16 files
		}, got[7:11])
		require.Empty(t, withPrefix(got, "PROC.gone.ctxt"))
		require.Empty(t, withPrefix(got, "PROC.py.fdlimit"), "its files may not be read")
		require.Empty(t, withPrefix(got, "PROC.py.ctxt"))
	})
}

func TestTheSwitchesOfThisProcessAreThoseOfItsThreads(t *testing.T) {
	proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Detail: []string{"PROC"}}), "PROC")
	self, err := os.Executable()
	require.NoError(t, err)
	assignments := []agent.Assignment{{Processes: []agent.Process{processItem("self", self)}}}
	batches, err := proc.CollectAssigned(t.Context(), assignments) // waits half a second meanwhile
	require.NoError(t, err)
	got := batchLines(batches)[""]
	require.Len(t, got, 11)
	require.NotContains(t, got, "PROC.self.ctxt.voluntary 0")
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.Contains(t, got, fmt.Sprintf("PROC.self.fdlimit %v", float64(limit.Cur)))
}
