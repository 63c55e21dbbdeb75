//go:build linux

package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/manifest"
)

// withDaemons runs an agent with as many plugins of a script, in a namespace each,
// and calls measure once all of them run.
func withDaemons(b *testing.B, count int, script, toml string, output agent.Output, measure func(a *agent.Agent)) {
	dir := b.TempDir()
	require.NoError(b, os.Chmod(dir, 0o755))
	require.NoError(b, os.Chmod(filepath.Dir(dir), 0o755))
	inner, err := gitrunner.New(gitrunner.Config{PluginsDir: filepath.Join(dir, "plugins")})
	require.NoError(b, err)
	runner := handInstalled{inner, filepath.Join(dir, "plugins"), script, "mode = \"daemon\"\n" + toml}
	var assignments []agent.Assignment
	for i := range count {
		assignments = append(assignments, agent.Assignment{Namespace: fmt.Sprintf("ns%03d", i),
			Plugins: []agent.Plugin{{Name: "PLUGIN.daemon", Repo: "org/daemon", Interval: benchInterval}}})
	}
	if count == 0 {
		assignments = []agent.Assignment{{Namespace: "ns"}}
	}
	a, err := agent.New(agent.WithRegistry(agenttest.NewRegistry(assignments...)), agent.WithOutput(output), agent.WithPluginRunner(runner), agent.WithHostname("h"))
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	require.Eventually(b, func() bool {
		running := 0
		for _, p := range a.Plugins() {
			if p.Running {
				running++
			}
		}
		return running == count
	}, 2*time.Minute, 100*time.Millisecond)
	measure(a)
	stop()
	require.NoError(b, <-ended)
}

// handInstalled installs one script as every plugin, in less time than git takes.
type handInstalled struct {
	*gitrunner.Runner
	plugins, script, toml string
}

func (r handInstalled) Install(_ context.Context, p agent.Plugin) error {
	dir := filepath.Join(r.plugins, p.Namespace, filepath.Base(p.Repo))
	return errors.Join(os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "plugin"), []byte("#!/bin/sh\n"+r.script+"\n"), 0o755),
		os.WriteFile(filepath.Join(dir, "plugin.toml"), []byte(r.toml), 0o644))
}

func (r handInstalled) InspectPlugin(p agent.Plugin) agent.PluginDetails {
	details := r.Runner.InspectPlugin(p)
	if says, err := manifest.Read(filepath.Join(r.plugins, p.Namespace, filepath.Base(p.Repo))); err == nil {
		details.Mode, details.Format = says.Mode, string(says.Format)
	}
	return details
}

// counting is an output that encodes nothing.
type counting struct{ points atomic.Int64 }

func (c *counting) Write(_ context.Context, batch agent.Batch) error {
	c.points.Add(int64(len(batch.Metrics)))
	return nil
}

func (c *counting) Close(context.Context) error { return nil }

// daemonRate is how many points a second the daemon prints, in 100 portions.
const daemonRate = 100_000

// BenchmarkBusyDaemon runs a daemon that prints 100,000 points a second, and prints
// what a point costs the agent without the encode, as a ratio of what it costs to
// read the same bytes from a pipe.
func BenchmarkBusyDaemon(b *testing.B) {
	const lasts = 10 * time.Second
	for format, line := range map[string]string{
		"influx":     `cpu,host=h,core=3 value=12.5`,
		"prometheus": `cpu{host="h",core="3"} 12.5`,
		"json":       `{"name":"cpu","tags":{"host":"h","core":"3"},"value":12.5}`,
	} {
		b.Run(format, func(b *testing.B) {
			script := fmt.Sprintf(`exec python3 -c '
import sys, time
portion = (sys.argv[1] + "\n").encode() * %d
due = time.monotonic()
while True:
    sys.stdout.buffer.write(portion)
    sys.stdout.buffer.flush()
    due += 0.01
    time.sleep(max(0, due - time.monotonic()))
' '%s'`, daemonRate/100, line)
			for range b.N {
				output := new(counting)
				withDaemons(b, 1, script, fmt.Sprintf("format = %q\n", format), output, func(*agent.Agent) {
					require.Eventually(b, func() bool { return output.points.Load() > daemonRate }, time.Minute, 10*time.Millisecond)
					points, spent := output.points.Load(), cpuOf(syscall.RUSAGE_SELF)
					<-time.After(lasts)
					points, spent = output.points.Load()-points, cpuOf(syscall.RUSAGE_SELF)-spent
					raw := rawRead(b, line, int(points))
					b.ReportMetric(float64(points)/lasts.Seconds(), "points/s")
					b.ReportMetric(float64(spent.Nanoseconds())/float64(points), "cpu-ns/point")
					b.ReportMetric(spent.Seconds()/raw.Seconds(), "of-raw-read")
				})
			}
		})
	}
}

// rawRead returns the CPU time that it takes to read as many lines from a pipe, as
// many at a time as the daemon prints.
func rawRead(b *testing.B, line string, lines int) time.Duration {
	r, w, err := os.Pipe()
	require.NoError(b, err)
	command := exec.Command("sh", "-c", `yes "$0" | head -n "$1" | dd bs=30000 2>/dev/null`, line, strconv.Itoa(lines))
	command.Stdout = w
	require.NoError(b, command.Start())
	require.NoError(b, w.Close())
	before := cpuOf(syscall.RUSAGE_SELF)
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 64<<10))
	spent := cpuOf(syscall.RUSAGE_SELF) - before
	require.NoError(b, err)
	require.NoError(b, r.Close())
	require.NoError(b, command.Wait())
	return spent
}

// BenchmarkIdleDaemons runs 200 daemons that print nothing, reported every 10 s, and
// prints what the agent spends a minute and takes in memory beyond an agent without
// plugins.
func BenchmarkIdleDaemons(b *testing.B) {
	const count, lasts = 200, 30 * time.Second
	idle := func(n int) (cpu time.Duration, mib float64) {
		withDaemons(b, n, "exec sleep 1000", "", new(counting), func(*agent.Agent) {
			<-time.After(5 * time.Second) // what began them has passed
			before := cpuOf(syscall.RUSAGE_SELF)
			<-time.After(lasts)
			cpu, mib = cpuOf(syscall.RUSAGE_SELF)-before, residentMiB(b, "VmRSS:")
		})
		return cpu, mib
	}
	for range b.N {
		bare, bareMiB := idle(0)
		spent, mib := idle(count)
		b.ReportMetric(float64((spent-bare).Milliseconds())*float64(time.Minute/lasts), "cpu-ms/min")
		b.ReportMetric(spent.Seconds()/bare.Seconds(), "of-no-plugins")
		b.ReportMetric((mib-bareMiB)*1024/count, "KiB/daemon")
	}
}

// BenchmarkNagiosOutput reads the output of a check of 10 performance data, and
// prints its ratio to what it costs to read the numbers alone.
func BenchmarkNagiosOutput(b *testing.B) {
	var text strings.Builder
	text.WriteString("DISK OK - all is well |")
	for i := range 10 {
		fmt.Fprintf(&text, " 'disk %d'=%d.5MB;2000;3000;0;4000", i, 1000+i)
	}
	stdout := []byte(text.String())
	began := time.Now()
	for b.Loop() {
		output, err := agent.DecodePluginRun(agent.Plugin{Format: "nagios"}, stdout, nil)
		if err != nil || len(output.Metrics) != 31 {
			b.Fatal(output, err)
		}
	}
	spent := time.Since(began)
	began = time.Now()
	for range b.N {
		for i := range 30 {
			if _, err := strconv.ParseFloat([]string{"1003.5", "2000", "3000"}[i%3], 64); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(spent.Seconds()/time.Since(began).Seconds(), "of-its-numbers")
}
