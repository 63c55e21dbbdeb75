//go:build linux

package sandbox_test

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sandbox"
)

// BenchmarkRun runs /bin/true bare and in each kind of sandbox. own-µs/op is the
// CPU time of this program alone, without that of its children.
func BenchmarkRun(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		measure(b, func() error { return exec.Command("/bin/true").Run() })
	})
	for _, config := range []sandbox.Config{
		{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 100}},
		{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 100}, NoCgroup: true},
	} {
		s, err := sandbox.Open(config)
		require.NoError(b, err)
		b.Run(s.Kind(), func(b *testing.B) {
			measure(b, func() error {
				_, err := s.Run(b.Context(), sandbox.Command{Path: "/bin/true", Dir: "/", MaxStderr: 4 << 10, MaxStdout: 8 << 20})
				return err
			})
		})
		require.NoError(b, s.Close(b.Context()))
	}
}

// BenchmarkConfined measures what the restrictions and the missing network cost. The command
// has its own user, because a command of root gets no filter.
func BenchmarkConfined(b *testing.B) {
	s, err := sandbox.Open(sandbox.Config{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 100}})
	require.NoError(b, err)
	user := &sandbox.User{UID: 65534, GID: 65534}
	state, err := os.MkdirTemp("/var/tmp", "sandbox-") // a mount at /tmp would hide it there
	require.NoError(b, err)
	defer os.RemoveAll(state)
	own := []sandbox.Mount{{From: state, At: "/tmp"}, {From: state, At: "/dev/shm"}}
	for _, c := range []struct {
		name    string
		command sandbox.Command
	}{
		{"plain", sandbox.Command{}},
		{"confined", sandbox.Command{Writable: []string{state, "/tmp", "/dev/shm"}}},
		{"with mounts of its own", sandbox.Command{Writable: []string{state}, Mounts: own}},
		{"without network", sandbox.Command{NoNetwork: true}},
	} {
		c.command.Path, c.command.Dir = "/bin/true", "/"
		if os.Geteuid() == 0 {
			c.command.User = user
		}
		b.Run(c.name, func(b *testing.B) {
			measure(b, func() error {
				_, err := s.Run(b.Context(), c.command)
				return err
			})
		})
	}
	require.NoError(b, s.Close(b.Context()))
}

// BenchmarkOverhead runs both in turn, so that both meet the same load, and reports what a
// sandbox adds to the median run.
func BenchmarkOverhead(b *testing.B) {
	s, err := sandbox.Open(sandbox.Config{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 100}})
	require.NoError(b, err)
	var bare, sandboxed []time.Duration
	for b.Loop() {
		began := time.Now()
		require.NoError(b, exec.Command("/bin/true").Run())
		bare = append(bare, time.Since(began))
		began = time.Now()
		_, err := s.Run(b.Context(), sandbox.Command{Path: "/bin/true", Dir: "/", MaxStderr: 4 << 10, MaxStdout: 8 << 20})
		require.NoError(b, err)
		sandboxed = append(sandboxed, time.Since(began))
	}
	require.NoError(b, s.Close(b.Context()))
	slices.Sort(bare)
	slices.Sort(sandboxed)
	x, y := bare[len(bare)/2], sandboxed[len(sandboxed)/2]
	b.ReportMetric(float64(y)/float64(x), "ratio")
	b.ReportMetric(float64((y - x).Microseconds()), "more-µs/op")
}

func measure(b *testing.B, run func() error) {
	own := ownCPU()
	for b.Loop() {
		require.NoError(b, run())
	}
	b.ReportMetric(float64((ownCPU()-own).Microseconds())/float64(b.N), "own-µs/op")
}

func ownCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
