//go:build linux

package hostmetrics_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// otherName is what other agents call a measurement. Empty: they do not have it.
type otherName struct{ ours, prometheus, telegraf string }

// otherNames are in the order of docs/measurements.md. Several measurements of ours can be
// parts of one of theirs. What make compare computes of node_exporter's is in
// internal/bench/compare.
func otherNames() []otherName {
	return []otherName{
		{"cpu.idle", `node_cpu_seconds_total{mode="idle"}`, "cpu.usage_idle"},
		{"cpu.user", `node_cpu_seconds_total{mode="user"}`, "cpu.usage_user"},
		{"cpu.system", `node_cpu_seconds_total{mode="system"}`, "cpu.usage_system"},
		{"cpu.iowait", `node_cpu_seconds_total{mode="iowait"}`, "cpu.usage_iowait"},
		{"cpu.steal", `node_cpu_seconds_total{mode="steal"}`, "cpu.usage_steal"},
		{"cpu.nice", `node_cpu_seconds_total{mode="nice"}`, "cpu.usage_nice"},
		{"cpu.irq", `node_cpu_seconds_total{mode="irq"}`, "cpu.usage_irq"},
		{"cpu.softirq", `node_cpu_seconds_total{mode="softirq"}`, "cpu.usage_softirq"},
		{"cpu.idle.core", `node_cpu_seconds_total{cpu="0",mode="idle"}`, "cpu.usage_idle"},
		{"cpu.loadavg.1", "node_load1", "system.load1"},
		{"cpu.loadavg.5", "node_load5", "system.load5"},
		{"cpu.loadavg.15", "node_load15", "system.load15"},
		{"ps.total.num", "node_processes_pids", "processes.total"},
		{"ps.running.num", "node_procs_running", "processes.running"},
		{"ps.zombies.num", `node_processes_state{state="Z"}`, "processes.zombies"},
		{"ps.blocked.num", "node_procs_blocked", "processes.blocked"},

		{"mem.total", "node_memory_MemTotal_bytes", "mem.total"},
		{"mem.used", "node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes", "mem.total - mem.available"},
		{"mem.free", "node_memory_MemAvailable_bytes", "mem.available"},
		{"mem.buffers", "node_memory_Buffers_bytes", "mem.buffered"},
		{"mem.cached", "node_memory_Cached_bytes", "mem.cached"},
		{"mem.used.percent", "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "100 - mem.available_percent"},
		{"mem.swap.used.percent", "1 - node_memory_SwapFree_bytes / node_memory_SwapTotal_bytes", "swap.used_percent"},

		{"disk.io.read_requests", "node_disk_reads_completed_total", "diskio.reads"},
		{"disk.io.write_requests", "node_disk_writes_completed_total", "diskio.writes"},
		{"disk.io.read_bytes", "node_disk_read_bytes_total", "diskio.read_bytes"},
		{"disk.io.write_bytes", "node_disk_written_bytes_total", "diskio.write_bytes"},
		{"disk.io.await", "node_disk_read_time_seconds_total, node_disk_write_time_seconds_total", "diskio.read_time, diskio.write_time"},
		{"disk.io.util", "node_disk_io_time_seconds_total", "diskio.io_time"},
		{"disk.io.read_await", "node_disk_read_time_seconds_total / node_disk_reads_completed_total", "diskio.read_time / diskio.reads"},
		{"disk.io.write_await", "node_disk_write_time_seconds_total / node_disk_writes_completed_total", "diskio.write_time / diskio.writes"},
		{"disk.io.queue", "node_disk_io_time_weighted_seconds_total", "diskio.weighted_io_time"},

		{"net.in", "node_network_receive_bytes_total", "net.bytes_recv"},
		{"net.out", "node_network_transmit_bytes_total", "net.bytes_sent"},
		{"net.in.dropped", "node_network_receive_drop_total", "net.drop_in"},
		{"net.out.dropped", "node_network_transmit_drop_total", "net.drop_out"},
		{"net.in.errors", "node_network_receive_errs_total", "net.err_in"},
		{"net.out.errors", "node_network_transmit_errs_total", "net.err_out"},
		{"net.speed", "node_network_speed_bytes", "net.speed"},
		{"net.sockets.used", "node_sockstat_sockets_used", ""},
		{"net.tcp.inuse", "node_sockstat_TCP_inuse + node_sockstat_TCP6_inuse", ""},
		{"net.tcp.timewait", "node_sockstat_TCP_tw", "netstat.tcp_time_wait"},
		{"net.tcp.listendrops", "node_netstat_TcpExt_ListenDrops", "nstat.TcpExtListenDrops"},
		{"net.tcp.retrans", "node_netstat_Tcp_RetransSegs", "nstat.TcpRetransSegs"},
		{"net.in.packets", "node_network_receive_packets_total", "net.packets_recv"},
		{"net.out.packets", "node_network_transmit_packets_total", "net.packets_sent"},
		{"net.in.multicast", "node_network_receive_multicast_total", ""},
		{"net.carrier", "node_network_carrier", ""},
		{"net.tcp.established", "node_netstat_Tcp_CurrEstab", "nstat.TcpCurrEstab"},
		{"net.tcp.listenoverflows", "node_netstat_TcpExt_ListenOverflows", "nstat.TcpExtListenOverflows"},
		{"net.udp.in.errors", "node_netstat_Udp_InErrors", "nstat.UdpInErrors"},
		{"net.udp.in.buffererrors", "node_netstat_Udp_RcvbufErrors", "nstat.UdpRcvbufErrors"},
		{"net.udp.out.buffererrors", "node_netstat_Udp_SndbufErrors", "nstat.UdpSndbufErrors"},
		{"net.conntrack.used", "node_nf_conntrack_entries", "conntrack.nf_conntrack_count"},
		{"net.conntrack.max", "node_nf_conntrack_entries_limit", "conntrack.nf_conntrack_max"},

		{"psi.cpu.some.avg10", "", `pressure.avg10{resource="cpu",type="some"}`},
		{"psi.cpu.some.stall", "node_pressure_cpu_waiting_seconds_total", `pressure.total{resource="cpu",type="some"}`},
		{"psi.memory.some.avg10", "", `pressure.avg10{resource="memory",type="some"}`},
		{"psi.memory.some.stall", "node_pressure_memory_waiting_seconds_total", `pressure.total{resource="memory",type="some"}`},
		{"psi.memory.full.avg10", "", `pressure.avg10{resource="memory",type="full"}`},
		{"psi.memory.full.stall", "node_pressure_memory_stalled_seconds_total", `pressure.total{resource="memory",type="full"}`},
		{"psi.io.some.avg10", "", `pressure.avg10{resource="io",type="some"}`},
		{"psi.io.some.stall", "node_pressure_io_waiting_seconds_total", `pressure.total{resource="io",type="some"}`},
		{"psi.io.full.avg10", "", `pressure.avg10{resource="io",type="full"}`},
		{"psi.io.full.stall", "node_pressure_io_stalled_seconds_total", `pressure.total{resource="io",type="full"}`},

		{"vm.swap.in", "node_vmstat_pswpin", "kernel_vmstat.pswpin"},
		{"vm.swap.out", "node_vmstat_pswpout", "kernel_vmstat.pswpout"},
		{"vm.faults.major", "node_vmstat_pgmajfault", "kernel_vmstat.pgmajfault"},
		{"vm.oom_kills", "node_vmstat_oom_kill", "kernel_vmstat.oom_kill"},
		{"cpu.ctxt", "node_context_switches_total", "kernel.context_switches"},
		{"cpu.intr", "node_intr_total", "kernel.interrupts"},
		{"ps.forks", "node_forks_total", "kernel.processes_forked"},
		{"host.uptime", "node_time_seconds - node_boot_time_seconds", "system.uptime"},

		{"fs.space.total", "node_filesystem_size_bytes", "disk.total"},
		{"fs.space.used", "node_filesystem_size_bytes - node_filesystem_free_bytes", "disk.used"},
		{"fs.space.free", "node_filesystem_avail_bytes", "disk.free"},
		{"fs.space.used.percent", "1 - node_filesystem_avail_bytes / (size - free + avail)", "disk.used_percent"},
		{"fs.inodes.used.percent", "1 - node_filesystem_files_free / node_filesystem_files", "disk.inodes_used / disk.inodes_total"},
		{"kernel.files.max", "node_filefd_maximum", "linux_sysctl_fs.file-max"},
		{"kernel.files.allocated", "node_filefd_allocated", "linux_sysctl_fs.file-nr"},

		{"kernel.entropy", "node_entropy_available_bits", "kernel.entropy_avail"},

		{"time.offset", "node_ntp_offset_seconds", "ntpq.offset"},
		{"time.kernel.synced", "node_timex_sync_status", ""},
		{"time.kernel.offset", "node_timex_offset_seconds", ""},
		{"time.kernel.error.estimated", "node_timex_estimated_error_seconds", ""},
		{"time.kernel.error.max", "node_timex_maxerror_seconds", ""},

		{"dev.temperature", "node_hwmon_temp_celsius", "temp.temp"},
		{"dev.fan", "node_hwmon_fan_rpm", "sensors.fan_input"},
		{"dev.voltage", "node_hwmon_in_volts", "sensors.in_input"},
		{"dev.power", "node_hwmon_power_watt", "sensors.power_input"},
		{"dev.raid.degraded", "node_md_degraded", ""},
		{"dev.raid.failed", `node_md_disks{state="failed"}`, "mdstat.DisksFailed"},
		{"dev.raid.spare", `node_md_disks{state="spare"}`, "mdstat.DisksSpare"},
		{"dev.raid.sync.percent", "node_md_blocks_synced / node_md_blocks", "mdstat.BlocksSyncedPct"},
		{"dev.raid.sync.speed", "", "mdstat.BlocksSyncedSpeed"},

		{"NAME.procnum", "process-exporter: namedprocess_namegroup_num_procs", "procstat_lookup.pid_count"},
		{"NAME.threads", "process-exporter: namedprocess_namegroup_num_threads", "procstat.num_threads"},
		{"NAME.mem", `process-exporter: namedprocess_namegroup_memory_bytes{memtype="resident"}`, "procstat.memory_rss"},
		{"NAME.fdnum", "process-exporter: namedprocess_namegroup_open_filedesc", "procstat.num_fds"},
		{"NAME.cpu", "process-exporter: namedprocess_namegroup_cpu_seconds_total", "procstat.cpu_usage"},
		{"NAME.io.read", "process-exporter: namedprocess_namegroup_read_bytes_total", "procstat.read_bytes"},
		{"NAME.io.write", "process-exporter: namedprocess_namegroup_write_bytes_total", "procstat.write_bytes"},
		{"NAME.ctxt.voluntary", `process-exporter: namedprocess_namegroup_context_switches_total{ctxswitchtype="voluntary"}`, "procstat.voluntary_context_switches"},
		{"NAME.ctxt.involuntary", `process-exporter: namedprocess_namegroup_context_switches_total{ctxswitchtype="nonvoluntary"}`, "procstat.involuntary_context_switches"},
		{"NAME.fdlimit", "", "procstat.rlimit_num_fds_soft"},
		{"NAME.fdnum.percent", "process-exporter: namedprocess_namegroup_worst_fd_ratio", ""},
		{"NAME", "blackbox_exporter: probe_success", `net_response.result_type="success"`},
		{"NAME.tls.days", "blackbox_exporter: probe_ssl_earliest_cert_expiry - time()", "x509_cert.expiry"},

		{"systemd.units", "", "systemd_units"},
		{"systemd.units.failed", `node_systemd_units{state="failed"}`, ""},
		{"systemd.jobs", "", ""},
		{"systemd.unit.active", `node_systemd_unit_state{state="active"}`, "systemd_units.active_code"},
		{"systemd.unit.failed", `node_systemd_unit_state{state="failed"}`, "systemd_units.active_code"},
		{"systemd.unit.restarts", "node_systemd_service_restart_total", "systemd_units.restarts"},

		{"cgroup.cpu", "cadvisor: container_cpu_usage_seconds_total", "cgroup.cpu.stat.usage_usec"},
		{"cgroup.cpu.throttled", "cadvisor: container_cpu_cfs_throttled_periods_total / container_cpu_cfs_periods_total", "cgroup.cpu.stat.nr_throttled"},
		{"cgroup.mem", "cadvisor: container_memory_usage_bytes", "cgroup.memory.current"},
		{"cgroup.mem.limit", "cadvisor: container_spec_memory_limit_bytes", "cgroup.memory.max"},
		{"cgroup.oom_kills", "cadvisor: container_oom_events_total", "cgroup.memory.events.oom_kill"},
		{"cgroup.pids", "cadvisor: container_threads", "cgroup.pids.current"},
		{"cgroup.pids.limit", "cadvisor: container_threads_max", "cgroup.pids.max"},
	}
}

const otherNamesHead = `
## Names elsewhere

What Prometheus' node_exporter (or another exporter, if it is named) and Telegraf call
the same. A rate here is a counter there: use ` + "`rate(…)`" + ` or ` + "`derivative(…)`" + `. MiB here
are bytes there, bits are bytes, percents of Prometheus are shares of 1. Of Telegraf it
is MEASUREMENT.FIELD; the measurement is the input plugin's.

| here | Prometheus | Telegraf |
|---|---|---|
`

func otherNamesTable() string {
	code := func(name string) string {
		if name == "" {
			return ""
		}
		return "`" + name + "`"
	}
	var b strings.Builder
	b.WriteString(otherNamesHead)
	for _, n := range otherNames() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", n.ours, code(n.prometheus), code(n.telegraf))
	}
	return b.String()
}

func TestOtherNamesAreOfMeasurementsThatThereAreInTheirOrder(t *testing.T) {
	var names []string
	for _, m := range hostmetrics.Measurements() {
		names = append(names, m.Name)
	}
	for _, n := range otherNames() {
		at := slices.Index(names, n.ours)
		require.GreaterOrEqual(t, at, 0, "%s is no measurement, or not in the order of the table", n.ours)
		names = names[at+1:]
	}
}
