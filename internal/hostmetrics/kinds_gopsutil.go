//go:build darwin || windows

package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/lodastack/agent"
)

// systemKinds returns the kinds that gopsutil measures, and those of every
// system.
func systemKinds(c Config) []Kind {
	return append([]Kind{
		{Name: "CPU", Every: 10 * time.Second, Collector: &rates{read: (&processors{names: c.cores()}).read}},
		{Name: "MEM", Every: 10 * time.Second, Collector: agent.CollectorFunc(readMemory)},
		{Name: "DISK", Every: 10 * time.Second, Collector: &rates{read: (&disks{deviceRates{tag: "device"}, c.disks()}).read}},
		{Name: "NET", Every: 10 * time.Second, Collector: &rates{read: (&interfaces{deviceRates{tag: "interface"}, c.InterfacePrefixes, c.interfaces()}).read}},
		{Name: "FS", Every: 300 * time.Second, Collector: partitions{c.mounts(), c.fsTypes()}},
	}, commonKinds(c)...)
}

// processors measures CPU. The readings are by the name of the processor, that
// of all together is cpu-total.
type processors struct {
	before map[string][]cpuState
	names  filter // of cores
}

func (c *processors) read() ([]agent.Metric, error) {
	p := points{}
	p.add("agent.alive", 1, nil)
	all, err := cpu.Times(false)
	cores, coreErr := cpu.Times(true)
	now := map[string][]cpuState{}
	for _, t := range all {
		now[t.CPU] = []cpuState{{"cpu.user", t.User}, {"cpu.system", t.System}, {"cpu.idle", t.Idle}, {"cpu.nice", t.Nice}, {"cpu.irq", t.Irq}}
		p.addCPUShares(c.before[t.CPU], now[t.CPU], nil)
	}
	for _, t := range cores {
		now[t.CPU] = []cpuState{{"cpu.idle.core", t.Idle}, {"", t.User + t.System + t.Nice + t.Irq}}
		if core := strings.TrimPrefix(t.CPU, "cpu"); c.names.allows(core) {
			p.addCPUShares(c.before[t.CPU], now[t.CPU], map[string]string{"core": core})
		}
	}
	c.before = now
	var loadErr error
	if runtime.GOOS != "windows" { // which has no load average
		var avg *load.AvgStat
		if avg, loadErr = load.Avg(); loadErr == nil {
			p.add("cpu.loadavg.1", avg.Load1, nil)
			p.add("cpu.loadavg.5", avg.Load5, nil)
			p.add("cpu.loadavg.15", avg.Load15, nil)
		}
	}
	pids, pidErr := process.Pids()
	if pidErr == nil {
		p.add("ps.total.num", float64(len(pids)), nil)
	}
	if err := errors.Join(err, coreErr, loadErr, pidErr); err != nil {
		return p, fmt.Errorf("measuring processors: %w", err)
	}
	return p, nil
}

const mib = 1 << 20

func readMemory(ctx context.Context) ([]agent.Metric, error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("measuring memory: %w", err)
	}
	p := points{}
	p.add("mem.total", float64(m.Total)/mib, nil)
	if m.Available <= m.Total {
		p.add("mem.free", float64(m.Available)/mib, nil)
		p.add("mem.used", float64(m.Total-m.Available)/mib, nil)
		p.add("mem.used.percent", 100*float64(m.Total-m.Available)/float64(m.Total), nil)
	}
	swap, err := mem.SwapMemoryWithContext(ctx)
	if err != nil {
		return p, fmt.Errorf("measuring swap: %w", err)
	}
	if swap.Total > 0 {
		p.add("mem.swap.used.percent", 100*float64(swap.Used)/float64(swap.Total), nil)
	}
	return p, nil
}

// disks measures DISK.
type disks struct {
	rates deviceRates
	names filter
}

func (d *disks) read() ([]agent.Metric, error) {
	stats, err := disk.IOCounters()
	if err != nil {
		return nil, fmt.Errorf("measuring disks: %w", err)
	}
	devices := map[string][]counter{}
	for name, s := range stats {
		if !d.names.allows(name) {
			continue
		}
		devices[name] = []counter{
			{"disk.io.read_requests", s.ReadCount, 1}, {"disk.io.write_requests", s.WriteCount, 1},
			{"disk.io.read_bytes", s.ReadBytes, 1}, {"disk.io.write_bytes", s.WriteBytes, 1},
		}
	}
	p := points{}
	d.rates.add(&p, devices)
	return p, nil
}

// interfaces measures NET.
type interfaces struct {
	rates    deviceRates
	prefixes []string
	names    filter
}

func (i *interfaces) read() ([]agent.Metric, error) {
	stats, err := net.IOCounters(true)
	if err != nil {
		return nil, fmt.Errorf("measuring network interfaces: %w", err)
	}
	devices := map[string][]counter{}
	for _, s := range stats {
		if !i.names.allows(s.Name) || !wantedInterface(s.Name, i.prefixes) {
			continue
		}
		devices[s.Name] = []counter{
			{"net.in", s.BytesRecv, 8}, {"net.out", s.BytesSent, 8},
			{"net.in.dropped", s.Dropin, 1}, {"net.out.dropped", s.Dropout, 1},
			{"net.in.errors", s.Errin, 1}, {"net.out.errors", s.Errout, 1},
		}
	}
	p := points{}
	i.rates.add(&p, devices)
	return p, nil
}

// partitions measures FS, of file systems that have a device.
type partitions struct{ points, types filter }

// Collect implements [agent.Collector].
func (f partitions) Collect(ctx context.Context) ([]agent.Metric, error) {
	mounts, err := disk.PartitionsWithContext(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("measuring file systems: %w", err)
	}
	p := points{}
	var errs []error
	for _, m := range mounts {
		if !f.points.allows(m.Mountpoint) || !f.types.allows(m.Fstype) {
			continue
		}
		usage, err := disk.UsageWithContext(ctx, m.Mountpoint)
		if err != nil {
			errs = append(errs, fmt.Errorf("measuring file systems: %s: %w", m.Mountpoint, err))
			continue
		}
		tags := map[string]string{"mount": m.Mountpoint}
		p.add("fs.space.total", float64(usage.Total)/mib, tags)
		p.add("fs.space.used", float64(usage.Used)/mib, tags)
		p.add("fs.space.free", float64(usage.Free)/mib, tags)
		p.add("fs.space.used.percent", usage.UsedPercent, tags)
		if usage.InodesTotal > 0 {
			p.add("fs.inodes.used.percent", usage.InodesUsedPercent, tags)
		}
	}
	return p, errors.Join(errs...)
}
