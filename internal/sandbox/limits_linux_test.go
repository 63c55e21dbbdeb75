package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeLimitedCgroup makes a directory that looks like a cgroup with all controllers.
func fakeLimitedCgroup(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"cgroup.events", "cpu.stat", "cpu.max", "pids.max", "memory.max", "memory.oom.group", "memory.events", "memory.peak"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	return dir
}

func TestCgroupHasTheLimitsOfItsCommand(t *testing.T) {
	dir := fakeLimitedCgroup(t)
	l, err := openCgroup(&cgroupBackend{}, dir, Limits{Processes: 7, Memory: 64 << 20, CPU: 0.5})
	require.NoError(t, err)
	defer l.closeFiles()
	for file, want := range map[string]string{"pids.max": "7", "memory.max": "67108864", "memory.oom.group": "1", "cpu.max": "50000 100000"} {
		content, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Equal(t, want, string(content), file)
	}
	var u Usage
	l.usage(&u)
	require.False(t, u.OutOfMemory)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "memory.events"), []byte("oom 1\noom_kill 1\n"), 0o600))
	l.usage(&u)
	require.True(t, u.OutOfMemory)
}

func TestCPUIsGivenInCores(t *testing.T) {
	for cores, want := range map[float64]string{1: "100000 100000", 2.5: "250000 100000", 0.01: "1000 100000", 0.001: "1000 100000"} {
		require.Equal(t, want, cpuMax(cores))
	}
}

func TestOnlyControllersThatTheHostHasLimit(t *testing.T) {
	asked := Limits{Processes: 7, Memory: 1 << 20, CPU: 2}
	require.Equal(t, Limits{}, (&cgroupBackend{}).enforced(asked))
	require.Equal(t, Limits{Memory: 1 << 20}, (&cgroupBackend{memory: true}).enforced(asked))
	require.Equal(t, asked, (&cgroupBackend{memory: true, pids: true, cpu: true}).enforced(asked))
}

func TestCgroupIsUsedAgainOnlyForTheSameLimits(t *testing.T) {
	b := &cgroupBackend{pids: true}
	small, err := openCgroup(b, fakeLimitedCgroup(t), Limits{Processes: 7})
	require.NoError(t, err)
	b.idle = []*cgroup{small}
	require.Nil(t, b.takeIdle(Limits{Processes: 8}))
	require.Same(t, small, b.takeIdle(Limits{Processes: 7}))
	require.Empty(t, b.idle)
	small.closeFiles()
}

func TestCommandWithoutNetworkHasNone(t *testing.T) {
	if err := CheckNoNetwork(); err != nil {
		t.Skip(err)
	}
	own, err := os.ReadFile("/proc/net/dev")
	require.NoError(t, err)
	for _, noCgroup := range []bool{false, true} {
		s, err := Open(Config{NoNewPrivs: true, NoCgroup: noCgroup})
		require.NoError(t, err)
		for _, off := range []bool{true, false} {
			res, err := s.Run(t.Context(), Command{
				Path: "/bin/cat", Args: []string{"/proc/net/dev"}, Dir: "/", MaxStdout: 1 << 20,
				User: &User{UID: 65534, GID: 65534}, NoNetwork: off,
			})
			require.NoError(t, err)
			if off {
				require.Equal(t, 3, strings.Count(string(res.Stdout), "\n"), "two lines of headings, and lo")
			} else {
				require.Equal(t, strings.Count(string(own), "\n"), strings.Count(string(res.Stdout), "\n"))
			}
		}
		require.NoError(t, s.Close(t.Context()))
	}
}
