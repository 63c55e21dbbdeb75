//go:build linux

package main

const (
	mebi    = 1.0 / (1 << 20)
	instant = "it changes from one moment to the next, and each program counts itself"
)

// rules returns, for each of our measurements that node_exporter has, how to make it of its
// metrics.
func rules() map[string]rule {
	all := make(map[string]rule)
	for _, some := range []map[string]rule{processorRules(), memoryRules(), diskRules(), networkRules(), fileRules()} {
		for name, r := range some {
			all[name] = r
		}
	}
	return all
}

func processorRules() map[string]rule {
	const events = 1 // per second
	stall := func(of string) rule { return rate(0.5, 100, "node_pressure_"+of+"_seconds_total") }
	return map[string]rule{
		"cpu.idle": cpu("idle"), "cpu.user": cpu("user"), "cpu.system": cpu("system"), "cpu.iowait": cpu("iowait"),
		"cpu.steal": cpu("steal"), "cpu.nice": cpu("nice"), "cpu.irq": cpu("irq"), "cpu.softirq": cpu("softirq"),
		"cpu.idle.core":  rate(0.5, 100, `node_cpu_seconds_total{cpu="$core",mode="idle"}`),
		"cpu.loadavg.1":  gauge(0.02, 1, "node_load1"),
		"cpu.loadavg.5":  gauge(0.02, 1, "node_load5"),
		"cpu.loadavg.15": gauge(0.02, 1, "node_load15"),
		"ps.total.num":   gauge(2, 1, "node_processes_pids").but(instant),
		"ps.running.num": gauge(1, 1, "node_procs_running").but(instant),
		"ps.blocked.num": gauge(1, 1, "node_procs_blocked").but(instant),
		"ps.zombies.num": gauge(1, 1, `node_processes_state{state="Z"}`).but("ours is counted once a minute"),
		"ps.forks":       rate(events, 1, "node_forks_total"),
		"cpu.ctxt":       rate(events, 1, "node_context_switches_total"),
		"cpu.intr":       rate(events, 1, "node_intr_total"),
		"host.uptime":    less(1, 1, "node_time_seconds", "node_boot_time_seconds").but("node_exporter's clock has moved since the boot; ours does not jump with it"),

		"vm.swap.in": rate(events, 1, "node_vmstat_pswpin"), "vm.swap.out": rate(events, 1, "node_vmstat_pswpout"),
		"vm.faults.major": rate(events, 1, "node_vmstat_pgmajfault"), "vm.oom_kills": gauge(0, 1, "node_vmstat_oom_kill"),

		"psi.cpu.some.stall": stall("cpu_waiting"), "psi.io.some.stall": stall("io_waiting"), "psi.io.full.stall": stall("io_stalled"),
		"psi.memory.some.stall": stall("memory_waiting"), "psi.memory.full.stall": stall("memory_stalled"),
	}
}

func memoryRules() map[string]rule {
	const m, slack = "node_memory_", 8 // MiB, which programs take and give back meanwhile
	return map[string]rule{
		"mem.total":             gauge(0.01, mebi, m+"MemTotal_bytes"),
		"mem.free":              gauge(slack, mebi, m+"MemAvailable_bytes"),
		"mem.used":              less(slack, mebi, m+"MemTotal_bytes", m+"MemAvailable_bytes"),
		"mem.buffers":           gauge(slack, mebi, m+"Buffers_bytes"),
		"mem.cached":            gauge(slack, mebi, m+"Cached_bytes"),
		"mem.used.percent":      part(0.5, m+"MemAvailable_bytes", m+"MemTotal_bytes"),
		"mem.swap.used.percent": part(0.5, m+"SwapFree_bytes", m+"SwapTotal_bytes"),
	}
}

func diskRules() map[string]rule {
	d := func(name string) string { return "node_disk_" + name + `{device="$device"}` }
	reads, writes := d("reads_completed_total"), d("writes_completed_total")
	readTime, writeTime := d("read_time_seconds_total"), d("write_time_seconds_total")
	const few = "few requests: one more at the end of the time changes the mean"
	return map[string]rule{
		"disk.io.read_requests":  rate(1, 1, reads),
		"disk.io.write_requests": rate(1, 1, writes),
		"disk.io.read_bytes":     rate(64<<10, 1, d("read_bytes_total")),
		"disk.io.write_bytes":    rate(64<<10, 1, d("written_bytes_total")),
		"disk.io.util":           rate(0.5, 100, d("io_time_seconds_total")),
		"disk.io.queue":          rate(0.05, 1, d("io_time_weighted_seconds_total")),
		"disk.io.await":          quotient(0.1, 1000, []string{readTime, writeTime}, []string{reads, writes}).but(few),
		"disk.io.read_await":     quotient(0.1, 1000, []string{readTime}, []string{reads}).but(few),
		"disk.io.write_await":    quotient(0.1, 1000, []string{writeTime}, []string{writes}).but(few),
	}
}

func networkRules() map[string]rule {
	n := func(name string) string { return "node_network_" + name + `{device="$interface"}` }
	const events, bits = 1, 8 << 10
	return map[string]rule{
		"net.in":            rate(bits, 8, n("receive_bytes_total")),
		"net.out":           rate(bits, 8, n("transmit_bytes_total")),
		"net.in.packets":    rate(events, 1, n("receive_packets_total")),
		"net.out.packets":   rate(events, 1, n("transmit_packets_total")),
		"net.in.dropped":    rate(events, 1, n("receive_drop_total")),
		"net.out.dropped":   rate(events, 1, n("transmit_drop_total")),
		"net.in.errors":     rate(events, 1, n("receive_errs_total")),
		"net.out.errors":    rate(events, 1, n("transmit_errs_total")),
		"net.in.multicast":  rate(events, 1, n("receive_multicast_total")),
		"net.carrier":       gauge(0, 1, n("carrier")),
		"net.speed":         gauge(0, 8e-6, n("speed_bytes")),
		"net.conntrack.max": gauge(0, 1, "node_nf_conntrack_entries_limit"),

		"net.conntrack.used":       gauge(5, 1, "node_nf_conntrack_entries").but(instant),
		"net.sockets.used":         gauge(5, 1, "node_sockstat_sockets_used").but(instant),
		"net.tcp.inuse":            gauge(5, 1, "node_sockstat_TCP_inuse", "node_sockstat_TCP6_inuse").but(instant),
		"net.tcp.timewait":         gauge(5, 1, "node_sockstat_TCP_tw").but(instant),
		"net.tcp.established":      gauge(5, 1, "node_netstat_Tcp_CurrEstab").but(instant),
		"net.tcp.retrans":          rate(events, 1, "node_netstat_Tcp_RetransSegs"),
		"net.tcp.listendrops":      rate(events, 1, "node_netstat_TcpExt_ListenDrops"),
		"net.tcp.listenoverflows":  rate(events, 1, "node_netstat_TcpExt_ListenOverflows"),
		"net.udp.in.errors":        rate(events, 1, "node_netstat_Udp_InErrors"),
		"net.udp.in.buffererrors":  rate(events, 1, "node_netstat_Udp_RcvbufErrors"),
		"net.udp.out.buffererrors": rate(events, 1, "node_netstat_Udp_SndbufErrors"),
	}
}

// fileRules find node_exporter's file systems by their mount point, because our tags have
// neither device nor type.
func fileRules() map[string]rule {
	const slack = 16 // MiB, which programs write meanwhile
	mount := func(slack float64, value func(scrapes) (float64, bool)) rule {
		return rule{theirs: value, slack: slack}
	}
	return map[string]rule{
		"fs.space.total": mount(0.01, func(s scrapes) (float64, bool) {
			size, ok := s.mount("size_bytes")
			return size * mebi, ok
		}),
		"fs.space.free": mount(slack, func(s scrapes) (float64, bool) {
			free, ok := s.mount("avail_bytes")
			return free * mebi, ok
		}),
		"fs.space.used": mount(slack, func(s scrapes) (float64, bool) {
			size, ok1 := s.mount("size_bytes")
			free, ok2 := s.mount("free_bytes")
			return (size - free) * mebi, ok1 && ok2
		}),
		"fs.space.used.percent": mount(0.5, func(s scrapes) (float64, bool) {
			size, ok1 := s.mount("size_bytes")
			free, ok2 := s.mount("free_bytes")
			available, ok3 := s.mount("avail_bytes")
			return 100 * (size - free) / (size - free + available), ok1 && ok2 && ok3
		}),
		"fs.inodes.used.percent": mount(0.5, func(s scrapes) (float64, bool) {
			all, ok1 := s.mount("files")
			free, ok2 := s.mount("files_free")
			return 100 * (all - free) / all, ok1 && ok2 && all > 0
		}),
		"kernel.files.max":       gauge(0, 1, "node_filefd_maximum"),
		"kernel.files.allocated": gauge(64, 1, "node_filefd_allocated").but(instant),
		"kernel.files.left":      less(64, 1, "node_filefd_maximum", "node_filefd_allocated").but(instant),
	}
}
