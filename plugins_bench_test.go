//go:build linux

package agent_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/schedule"
)

// BenchmarkPlugins runs many plugins at an interval of 10 s, in real cells,
// and prints how late they started, what the agent itself spent a minute
// (its plugins' own time is not in it), as a ratio of what bare fork, exec and
// wait cost, and its resident memory. The first round, in which directories and
// cgroups are made, does not count.
func BenchmarkPlugins(b *testing.B) {
	const fiveMetrics = `#!/bin/sh
echo '[{"name":"a","timestamp":0,"tags":{"k":"v"},"value":1},{"name":"b","value":2},{"name":"c","value":3},{"name":"d","value":4},{"name":"e","value":5}]'
`
	b.Run("1000 like true", func(b *testing.B) { benchmarkPlugins(b, 1000, "#!/bin/true\n") })
	b.Run("200 of 5 metrics", func(b *testing.B) { benchmarkPlugins(b, 200, fiveMetrics) })
}

func benchmarkPlugins(b *testing.B, count int, program string) {
	for range b.N {
		timed, spent := runPlugins(b, count, program)
		late, runs := timed.lateness(benchInterval)
		bare := bareRuns(b, filepath.Join(timed.dir, "plugin"), count, benchInterval/time.Duration(count))

		require.GreaterOrEqual(b, runs, count*(benchRounds-1), "every run happens")
		b.ReportMetric(float64(runs)/float64(benchRounds), "runs/10s")
		b.ReportMetric(spent.Seconds()*float64(time.Minute)/float64(benchRounds*benchInterval), "cpu-s/min")
		b.ReportMetric(spent.Seconds()/float64(runs)/(bare.Seconds()/float64(count)), "of-bare-exec")
		b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "late-p99-ms")
		b.ReportMetric(residentMiB(b, "VmRSS:"), "resident-MiB")
	}
}

const benchInterval, benchRounds = 10 * time.Second, 3

// runPlugins runs an agent with as many plugins for some rounds after the first, and
// returns what it spent in them.
func runPlugins(b *testing.B, count int, program string) (*timedRunner, time.Duration) {
	dir := b.TempDir()
	require.NoError(b, os.Chmod(dir, 0o755))
	require.NoError(b, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(b, os.WriteFile(filepath.Join(dir, "plugin"), []byte(program), 0o755))
	runner, err := gitrunner.New(gitrunner.Config{})
	require.NoError(b, err)
	defer runner.Close(context.Background())
	timed := &timedRunner{Runner: runner, dir: dir, starts: map[string][]time.Time{}}
	assignment := agent.Assignment{Namespace: "ns"}
	for i := range count {
		name := fmt.Sprintf("p%04d", i)
		assignment.Plugins = append(assignment.Plugins, agent.Plugin{Name: "PLUGIN." + name, Repo: "org/" + name, Interval: benchInterval})
	}
	a, err := agent.New(agent.WithRegistry(agenttest.NewRegistry(assignment)), agent.WithOutput(agent.NewWriterOutput(nowhere{})),
		agent.WithPluginRunner(timed), agent.WithHostname("h"))
	require.NoError(b, err)
	ctx, cancel := context.WithTimeout(b.Context(), (1+benchRounds)*benchInterval)
	defer cancel()
	before := make(chan time.Duration, 1)
	time.AfterFunc(benchInterval, func() { timed.forget(); before <- cpuOf(syscall.RUSAGE_SELF) })
	require.NoError(b, a.Run(ctx))
	return timed, cpuOf(syscall.RUSAGE_SELF) - <-before
}

// timedRunner runs one directory for every plugin and notes when.
type timedRunner struct {
	*gitrunner.Runner
	dir string

	mu     sync.Mutex
	starts map[string][]time.Time
}

func (r *timedRunner) Install(context.Context, agent.Plugin) error { return nil }

func (r *timedRunner) Run(ctx context.Context, p agent.Plugin, args []string) ([]byte, error) {
	r.mu.Lock()
	r.starts[p.Repo] = append(r.starts[p.Repo], time.Now())
	r.mu.Unlock()
	result, err := r.RunDir(ctx, r.dir, p, args)
	return result.Stdout, err
}

// forget forgets the starts until now.
func (r *timedRunner) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.starts)
}

// lateness returns how much later than its phase each run started, sorted.
func (r *timedRunner) lateness(interval time.Duration) (late []time.Duration, runs int) {
	for repo, starts := range r.starts {
		phase := schedule.PhaseOf(interval, "h", "ns", strings.TrimPrefix(repo, "org/"))
		for _, start := range starts {
			late = append(late, (time.Duration(start.UnixNano())-phase)%interval)
		}
	}
	slices.Sort(late)
	return late, len(late)
}

// bareRuns returns the CPU time that fork, exec and wait cost the parent, with
// the same pauses: a processor that was idle has cold caches.
func bareRuns(b *testing.B, path string, runs int, pause time.Duration) time.Duration {
	before := cpuOf(syscall.RUSAGE_SELF)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range runs {
		<-tick.C
		require.NoError(b, exec.Command(path).Run())
	}
	return cpuOf(syscall.RUSAGE_SELF) - before
}

func cpuOf(who int) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// residentMiB returns the resident memory, VmRSS:, or the most there was, VmHWM:.
func residentMiB(b *testing.B, which string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(b, err)
	_, after, _ := strings.Cut(string(status), which)
	var kib float64
	_, err = fmt.Sscan(after, &kib)
	require.NoError(b, err)
	return kib / 1024
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkLargeOutputs runs plugins that print just under 8 MiB, and prints the
// agent's peak of resident memory.
func BenchmarkLargeOutputs(b *testing.B) {
	for name, element := range map[string]string{"bad metrics": `0,`, "good metrics": `{"name":"a","value":1},`} {
		for _, count := range []int{1, 64} {
			b.Run(fmt.Sprintf("%d of %s", count, name), func(b *testing.B) {
				output := filepath.Join(b.TempDir(), "output")
				text := "[" + strings.Repeat(element, (8<<20-100)/len(element)) + strings.TrimSuffix(element, ",") + "]"
				require.NoError(b, os.WriteFile(output, []byte(text), 0o644))
				require.NoError(b, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // VmHWM begins anew (proc(5))
				before := residentMiB(b, "VmRSS:")
				runPlugins(b, count, "#!/bin/sh\nexec cat "+output+"\n")
				b.ReportMetric(residentMiB(b, "VmHWM:")-before, "more-MiB")
			})
		}
	}
}
