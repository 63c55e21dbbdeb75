//go:build linux

package hostmetrics_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// settledHost is a host whose process 7 belongs to no program, and has settled.
type settledHost struct {
	t     *testing.T
	root  string
	proc  agent.AssignmentCollector
	items []agent.Process
}

func newSettledHost(t *testing.T, items ...agent.Process) *settledHost {
	h := &settledHost{t: t, root: t.TempDir(), items: items}
	fakeProcess{comm: "init", exe: "/sbin/init"}.writeTo(t, h.root, 1)
	fakeProcess{comm: "sh", exe: "/bin/sh", cmdline: "sh\x00start"}.writeTo(t, h.root, 7)
	kinds := hostmetrics.Kinds(hostmetrics.Config{Root: h.root})
	hostmetrics.SkipFirstGap(kinds)
	h.proc = assigned(t, kinds, "PROC")
	for range hostmetrics.SettledAfter {
		require.Equal(t, "PROC.x.procnum 0", h.collect())
	}
	return h
}

func (h *settledHost) collect() (first string) {
	batches, err := h.proc.CollectAssigned(h.t.Context(), []agent.Assignment{{Processes: h.items}})
	require.NoError(h.t, err)
	return batchLines(batches)[""][0]
}

// become replaces the program of process 7, as execve(2) does.
func (h *settledHost) become(p fakeProcess) {
	exe := filepath.Join(h.root, "proc/7/exe")
	require.NoError(h.t, os.Remove(exe))
	require.NoError(h.t, os.Symlink(p.exe, exe))
	write(h.t, filepath.Join(h.root, "proc/7/cmdline"), p.cmdline)
}

// walksUntilSeen returns how many walks it takes until process 7 counts.
func (h *settledHost) walksUntilSeen() int {
	for walks := 1; walks < 20; walks++ {
		if h.collect() == "PROC.x.procnum 1" {
			return walks
		}
	}
	return 20
}

var (
	javaByPath    = agent.Process{Name: "PROC.x", Path: "/usr/bin/java"}
	javaByPattern = agent.Process{Name: "PROC.x", Cmdline: "Kafka$"}
	java          = fakeProcess{exe: "/usr/bin/java", cmdline: "java\x00Kafka"}
)

func TestASettledProcessThatBecomesAnotherProgramIsSeenWithinFourWalks(t *testing.T) {
	for _, item := range []agent.Process{javaByPath, javaByPattern} {
		seen := make(map[int]bool)
		for later := range hostmetrics.LookEvery {
			h := newSettledHost(t, item)
			for range later {
				h.collect()
			}
			h.become(java)
			seen[h.walksUntilSeen()] = true
			require.Equal(t, "PROC.x.procnum 1", h.collect(), "and from then on always")
		}
		require.Equal(t, map[int]bool{1: true, 2: true, 3: true, 4: true}, seen)
	}
}

func TestAYoungProcessIsLookedAtInEveryWalk(t *testing.T) {
	for age := 1; age < hostmetrics.SettledAfter; age++ {
		h := newSettledHost(t, javaByPattern)
		young := filepath.Join(h.root, "proc/8/cmdline")
		fakeProcess{comm: "sh", exe: "/bin/sh", cmdline: "sh"}.writeTo(t, h.root, 8)
		for range age {
			require.Equal(t, "PROC.x.procnum 0", h.collect())
		}
		write(t, young, java.cmdline)
		require.Equal(t, 1, h.walksUntilSeen())
	}
}

func TestAnotherProcessWithThePIDOfASettledOneIsLookedAtAtOnce(t *testing.T) {
	h := newSettledHost(t, javaByPath)
	old := filepath.Join(h.root, "old") // keeps its inode number from the new one
	require.NoError(t, os.Rename(filepath.Join(h.root, "proc/7"), old))
	fakeProcess{comm: "java", exe: java.exe, cmdline: java.cmdline}.writeTo(t, h.root, 7)
	require.Equal(t, 1, h.walksUntilSeen())
}

func TestNewItemsAreLookedForAmongSettledProcessesAtOnce(t *testing.T) {
	h := newSettledHost(t, javaByPath)
	h.items = []agent.Process{{Name: "PROC.x", Cmdline: "start"}}
	require.Equal(t, 1, h.walksUntilSeen())
}

func TestASettledProcessThatAPIDFileNamesIsSeenAtOnce(t *testing.T) {
	for _, item := range []agent.Process{{PIDFile: "/run/x.pid"}, {PIDFile: "/run/x.pid", Cmdline: "start"}} {
		item.Name = "PROC.x"
		h := newSettledHost(t, item)
		write(t, filepath.Join(h.root, "run/x.pid"), "7\n")
		require.Equal(t, 1, h.walksUntilSeen())
	}
}
