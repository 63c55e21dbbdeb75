package hostmetrics

import "strings"

// Measurement describes a measurement. docs/measurements.md is generated from
// these.
type Measurement struct {
	// Kind it belongs to.
	Kind string
	// Name of the measurement. NAME stands for the name of the assigned item.
	Name string
	// Unit of the value; empty for a plain number.
	Unit string
	// Tags it has, besides host.
	Tags []string
	// Source lists the files below the root, or the call, that it needs.
	Source string
	// Meaning in one sentence.
	Meaning string
	// Absent says when the measurement is absent although its source can be
	// read. Empty: never.
	Absent string
}

// Measurements returns all measurements on Linux.
func Measurements() []Measurement {
	var all []Measurement
	for _, g := range []group{
		cpuGroup(), memGroup(), diskGroup(), netGroup(), psiGroup(), vmGroup(), fsGroup(), kernelGroup(), timeGroup(), devGroup(), processGroup(), systemdGroup(), cgroupGroup(),
	} {
		all = append(all, g...)
	}
	return all
}

type group []Measurement

// Reasons why several measurements may be absent.
const (
	inconsistent = "the kernel's numbers contradict each other"
	backwards    = "the counter went backwards; at the first reading"
	noSpeed      = "the speed is unknown"
	notDetailed  = "`collect.detail` does not name the kind"
)

func cpuGroup() group {
	const stat, load = "/proc/stat", "/proc/loadavg"
	share := func(name, of string) Measurement {
		return Measurement{"CPU", name, "%", nil, stat, "share of the time of all processors " + of,
			"a processor was switched on or off, or a counter went backwards"}
	}
	return group{
		{"CPU", "agent.alive", "", nil, "", "1: the agent is running", ""},
		share("cpu.idle", "without work"),
		share("cpu.user", "in programs, guests included"),
		share("cpu.system", "in the kernel"),
		share("cpu.iowait", "without work while a disk request was open"),
		share("cpu.steal", "that the hypervisor gave to other machines"),
		share("cpu.nice", "in programs of low priority, guests included"),
		share("cpu.irq", "in interrupts"),
		share("cpu.softirq", "in soft interrupts"),
		{"CPU", "cpu.idle.core", "%", []string{"core"}, stat, "share of the time of one processor without work", "the processor is off or was just switched on"},
		{"CPU", "cpu.loadavg.1", "", nil, load, "average number of threads that run or wait for a disk, over 1 minute", ""},
		{"CPU", "cpu.loadavg.5", "", nil, load, "the same over 5 minutes", ""},
		{"CPU", "cpu.loadavg.15", "", nil, load, "the same over 15 minutes", ""},
		{"CPU", "ps.total.num", "", nil, "/proc", "number of processes", "/proc hides processes (hidepid=2)"},
		{"CPU", "ps.running.num", "", nil, stat, "threads that run or are ready to run", ""},
		{"CPU", "ps.zombies.num", "", nil, "/proc/PID/stat", "processes that have exited but that their parent has not waited for; counted once a minute", "/proc hides processes (hidepid=1 or 2)"},
		{"CPU", "ps.blocked.num", "", nil, stat, "threads that wait for a disk", ""},
	}
}

func memGroup() group {
	const info = "/proc/meminfo"
	return group{
		{"MEM", "mem.total", "MiB", nil, info, "memory that the kernel can use", ""},
		{"MEM", "mem.used", "MiB", nil, info, "mem.total - mem.free", inconsistent},
		{"MEM", "mem.free", "MiB", nil, info, "memory available without swapping; before Linux 3.14 free + buffers + cached - shared", inconsistent},
		{"MEM", "mem.buffers", "MiB", nil, info, "cache of disk blocks", inconsistent},
		{"MEM", "mem.cached", "MiB", nil, info, "cache of files, tmpfs included", inconsistent},
		{"MEM", "mem.used.percent", "%", nil, info, "used / total", inconsistent},
		{"MEM", "mem.swap.used.percent", "%", nil, info, "share of the swap that is used", "there is no swap; " + inconsistent},
	}
}

func diskGroup() group {
	disk := func(name, unit, meaning string) Measurement {
		return Measurement{"DISK", name, unit, []string{"device"}, "/proc/diskstats, /sys/block/DEVICE", meaning, backwards}
	}
	return group{
		disk("disk.io.read_requests", "1/s", "completed reads"),
		disk("disk.io.write_requests", "1/s", "completed writes"),
		disk("disk.io.read_bytes", "B/s", "bytes read"),
		disk("disk.io.write_bytes", "B/s", "bytes written"),
		disk("disk.io.await", "ms", "mean time of a read or write, time in the queue included; 0 if there was none"),
		disk("disk.io.util", "%", "share of the time with at least one open request"),
		detail(disk("disk.io.read_await", "ms", "mean time of a read, time in the queue included; 0 if there was none")),
		detail(disk("disk.io.write_await", "ms", "mean time of a write, time in the queue included; 0 if there was none")),
		detail(disk("disk.io.queue", "", "mean number of open requests")),
	}
}

// detail is a measurement that is made only if Config.Detail names its kind.
func detail(m Measurement) Measurement {
	m.Absent = strings.TrimSuffix(notDetailed+"; "+m.Absent, "; ")
	return m
}

func netGroup() group {
	const dev, speed = "/proc/net/dev", "/sys/class/net/INTERFACE/speed"
	const sockstat, snmp = "/proc/net/sockstat", "/proc/net/snmp"
	const conntrack = "/proc/sys/net/netfilter/nf_conntrack_"
	iface := func(name, unit, source, meaning, absent string) Measurement {
		return Measurement{"NET", name, unit, []string{"interface"}, source, meaning, absent}
	}
	return group{
		iface("net.in", "bit/s", dev, "received data", backwards),
		iface("net.out", "bit/s", dev, "sent data", backwards),
		iface("net.in.dropped", "1/s", dev, "received packets that were dropped", backwards),
		iface("net.out.dropped", "1/s", dev, "packets that were dropped instead of sent", backwards),
		iface("net.in.errors", "1/s", dev, "packets received with an error", backwards),
		iface("net.out.errors", "1/s", dev, "packets not sent because of an error", backwards),
		iface("net.speed", "Mbit/s", dev+", "+speed, "speed of the link", noSpeed),
		iface("net.in.percent", "%", dev+", "+speed, "received data as a share of the speed", noSpeed+"; "+backwards),
		iface("net.out.percent", "%", dev+", "+speed, "sent data as a share of the speed", noSpeed+"; "+backwards),
		{"NET", "net.sockets.used", "", nil, sockstat, "open sockets of all families", ""},
		{"NET", "net.tcp.inuse", "", nil, sockstat + ", /proc/net/sockstat6", "open TCP sockets over IPv4 and IPv6, without those in TIME-WAIT", ""},
		{"NET", "net.tcp.timewait", "", nil, sockstat, "TCP connections in TIME-WAIT", ""},
		{"NET", "net.tcp.listendrops", "1/s", nil, "/proc/net/netstat", "connection attempts dropped by listening sockets (ListenDrops)", backwards},
		{"NET", "net.tcp.retrans", "1/s", nil, snmp, "TCP segments sent again (RetransSegs)", backwards},
		detail(iface("net.in.packets", "1/s", dev, "received packets", backwards)),
		detail(iface("net.out.packets", "1/s", dev, "sent packets", backwards)),
		detail(iface("net.in.multicast", "1/s", dev, "received multicast packets", backwards)),
		detail(iface("net.carrier", "", dev+", /sys/class/net/INTERFACE/carrier", "1: the link has a signal; 0: it has none", "the interface is down")),
		detail(Measurement{"NET", "net.tcp.established", "", nil, snmp, "TCP connections that are established or wait for their closing (CurrEstab)", ""}),
		detail(Measurement{"NET", "net.tcp.listenoverflows", "1/s", nil, "/proc/net/netstat", "connections dropped because the queue of a listening socket was full (ListenOverflows)", backwards}),
		detail(Measurement{"NET", "net.udp.in.errors", "1/s", nil, snmp, "UDP datagrams over IPv4 received with an error (InErrors)", backwards}),
		detail(Measurement{"NET", "net.udp.in.buffererrors", "1/s", nil, snmp, "UDP datagrams over IPv4 dropped because the socket's buffer was full (RcvbufErrors)", backwards}),
		detail(Measurement{"NET", "net.udp.out.buffererrors", "1/s", nil, snmp, "UDP datagrams over IPv4 not sent because the socket's buffer was full (SndbufErrors)", backwards}),
		detail(Measurement{"NET", "net.conntrack.used", "", nil, conntrack + "count", "connections that the firewall tracks", "it tracks none"}),
		detail(Measurement{"NET", "net.conntrack.max", "", nil, conntrack + "max", "limit of tracked connections", "it tracks none"}),
	}
}

func psiGroup() (g group) {
	for _, of := range [...]struct{ resource, line, who string }{
		{"cpu", "some", "at least one thread waited for a processor"},
		{"memory", "some", "at least one thread waited for memory"},
		{"memory", "full", "all threads with work waited for memory"},
		{"io", "some", "at least one thread waited for a disk"},
		{"io", "full", "all threads with work waited for a disk"},
	} {
		name, source := "psi."+of.resource+"."+of.line, "/proc/pressure/"+of.resource
		const none = "the kernel does not count pressure"
		g = append(g, Measurement{"PSI", name + ".avg10", "%", nil, source, "share of the last 10 s in which " + of.who, none},
			Measurement{"PSI", name + ".stall", "%", nil, source, "the same of the time between two readings", none + "; " + backwards})
	}
	return g
}

func vmGroup() group {
	const vmstat, stat = "/proc/vmstat", "/proc/stat"
	return group{
		{"VM", "vm.swap.in", "pages/s", nil, vmstat, "pages read from swap (pswpin)", backwards},
		{"VM", "vm.swap.out", "pages/s", nil, vmstat, "pages written to swap (pswpout)", backwards},
		{"VM", "vm.faults.major", "1/s", nil, vmstat, "page faults that read from a disk (pgmajfault)", backwards},
		{"VM", "vm.oom_kills", "", nil, vmstat, "processes killed for lack of memory, since boot (oom_kill)", "the kernel is older than 4.13"},
		{"VM", "cpu.ctxt", "1/s", nil, stat, "switches from one thread to another, on all processors", backwards},
		{"VM", "cpu.intr", "1/s", nil, stat, "interrupts, on all processors", backwards},
		{"VM", "ps.forks", "1/s", nil, stat, "new processes and threads", backwards},
		{"VM", "host.uptime", "s", nil, "/proc/uptime", "time since boot", ""},
	}
}

func fsGroup() group {
	const mounts, files = "/proc/1/mountinfo, else /proc/self/mountinfo; ", "/proc/sys/fs/file-nr"
	space := func(name, unit, meaning, absent string) Measurement {
		return Measurement{"FS", name, unit, []string{"mount"}, mounts + "statfs(2)", meaning, absent}
	}
	const hangs = "the file system does not answer; "
	return group{
		space("fs.space.total", "MiB", "size", hangs+"it has no size"),
		space("fs.space.used", "MiB", "used space", hangs+inconsistent),
		space("fs.space.free", "MiB", "free space for users without privilege", hangs+inconsistent),
		space("fs.space.used.percent", "%", "used / (used + free)", hangs+inconsistent),
		space("fs.inodes.used.percent", "%", "share of the inodes that are used", hangs+"it has no inode table; "+inconsistent),
		{"FS", "fs.files.rw", "", []string{"mount"}, mounts + "a file below the mount",
			"1: the agent wrote a file and read it back; 0: it could not, or the file system does not answer",
			"mounted read-only, or the agent may not write there"},
		{"FS", "kernel.files.max", "", nil, files, "limit of open files", ""},
		{"FS", "kernel.files.allocated", "", nil, files, "open files", ""},
		{"FS", "kernel.files.left", "", nil, files, "files that can still be opened; 0 above the limit", ""},
		{"FS", "kernel.files.allocated.percent", "%", nil, files, "open files / limit", ""},
	}
}

func kernelGroup() group {
	return group{
		{"KERNEL", "kernel.user.login", "", []string{"user", "remote", "device", "success"}, "/var/log/wtmp, /var/log/btmp",
			"one point for each login, with the time of the login: 1 if it succeeded (success=true), 0 if it failed (success=false)",
			"there was no login"},
		{"KERNEL", "kernel.entropy", "bit", nil, "/proc/sys/kernel/random/entropy_avail", "entropy of the kernel's random numbers; from Linux 5.18 on always 256 once there is enough", ""},
	}
}

func timeGroup() group {
	const adjtimex, forbidden, unsynced = "adjtimex(2)", "the unit or container does not allow the call, as contrib/agent.service", "; nothing corrects the clock"
	return group{
		{"TIME", "time.offset", "s", nil, "NTP", "seconds to add to the host's clock to correct it", "no server answers"},
		{"TIME", "time.kernel.synced", "", nil, adjtimex, "1: a program such as chronyd corrects the kernel's clock; 0: none has since boot, or for nine hours", forbidden},
		{"TIME", "time.kernel.offset", "s", nil, adjtimex, "seconds that the kernel is still to add to its clock, slowly", forbidden + unsynced},
		{"TIME", "time.kernel.error.estimated", "s", nil, adjtimex, "error of the clock, as that program estimates it", forbidden + unsynced},
		{"TIME", "time.kernel.error.max", "s", nil, adjtimex, "largest possible error of the clock", forbidden + unsynced},
	}
}

func devGroup() group {
	const hwmon, fault = "/sys/class/hwmon", "the sensor reports a fault, or a value "
	sensor := func(name, unit, source, meaning, absent string) Measurement {
		return Measurement{"DEV", name, unit, []string{"sensor"}, source, meaning, fault + absent}
	}
	const inactive, idle = "the array is inactive", "nothing is rebuilt, checked or reshaped"
	raid := func(name, unit, files, meaning, absent string) Measurement {
		return Measurement{"DEV", name, unit, []string{"device"}, "/sys/block/DEVICE/md/" + files, meaning, absent}
	}
	return group{
		sensor("dev.temperature", "°C", hwmon+", else /sys/class/thermal", "temperature", "below -100 or above 1000"),
		sensor("dev.fan", "1/min", hwmon, "speed of a fan; 0: it stands still, or none is connected", "above 100000"),
		sensor("dev.voltage", "V", hwmon, "voltage", "beyond 1000"),
		sensor("dev.power", "W", hwmon, "power that is used; the mean if the sensor has no momentary one", "above 100000"),
		raid("dev.raid.degraded", "", "degraded", "missing disks of a software RAID array", "the array has no redundancy"),
		raid("dev.raid.inactive", "", "array_state", "1: the array is not complete enough to run, and cannot be used; 0: it runs", "there is no array"),
		raid("dev.raid.failed", "", "array_state, /sys/block/DEVICE/md/dev-DISK/state", "disks of the array that have failed and are still in it", inactive),
		raid("dev.raid.spare", "", "array_state, /sys/block/DEVICE/md/dev-DISK", "disks that wait to replace one", inactive),
		raid("dev.raid.sync.percent", "%", "array_state, /sys/block/DEVICE/md/sync_completed", "how far a rebuild, check or reshape of the array has come", idle),
		raid("dev.raid.sync.speed", "B/s", "array_state, /sys/block/DEVICE/md/sync_completed, /sys/block/DEVICE/md/sync_speed", "its speed, for each disk", idle),
		{"DEV", "dev.edac.errors", "", []string{"type"}, "/sys/devices/system/edac", "memory errors since boot; type is corrected or uncorrected",
			"there is no memory controller that counts, or one cannot be read"},
		{"COREDUMP", "app.service.coredump", "", []string{"service"}, "the directory coredump.dir",
			"1 for each new file named core.SERVICE.PID.UNIXTIME or as systemd-coredump does", "there was no core dump"},
	}
}

func processGroup() group {
	const stat = "/proc/PID/exe, /proc/PID/stat"
	const unseen = "not all processes of the program can be seen"
	detailed := func(name, unit, source, meaning, absent string) Measurement {
		return Measurement{"PROC", name, unit, nil, "/proc/PID/exe, /proc/PID/stat, " + source, meaning, notDetailed + "; " + unseen + "; " + absent}
	}
	return group{
		{"PROC", "NAME.procnum", "", nil, stat, "number of processes of the program", unseen},
		{"PROC", "NAME.threads", "", nil, stat, "threads of all its processes", unseen},
		{"PROC", "NAME.mem", "B", nil, stat, "resident memory; shared memory is counted once for each process", unseen},
		{"PROC", "NAME.fdnum", "", nil, stat + ", /proc/PID/fd", "open file descriptors", unseen},
		{"PROC", "NAME.cpu", "%", nil, stat, "processor time; 100 is one processor", unseen + "; at the first reading"},
		{"PROC", "NAME.io.read", "B/s", nil, stat + ", /proc/PID/io", "bytes read from disks", unseen + "; at the first reading"},
		{"PROC", "NAME.io.write", "B/s", nil, stat + ", /proc/PID/io", "bytes written to disks", unseen + "; at the first reading"},
		detailed("NAME.ctxt.voluntary", "1/s", "/proc/PID/task/TID/status", "how often its threads began to wait", "at the first reading; it has no process"),
		detailed("NAME.ctxt.involuntary", "1/s", "/proc/PID/task/TID/status", "how often one of its threads was interrupted to run another thread", "at the first reading; it has no process"),
		detailed("NAME.fdlimit", "", "/proc/PID/limits", "soft limit of open file descriptors, the lowest of its processes", "it has no process"),
		detailed("NAME.fdnum.percent", "%", "/proc/PID/limits, /proc/PID/fd", "open file descriptors as a share of the soft limit, the highest of its processes", "it has no process"),
		{"PORT", "NAME", "", nil, "connect(2); of UDP and with `listen` sock_diag(7), else /proc/net/tcp, tcp6, udp, udp6",
			"1: the address, 127.0.0.1 by default, accepts TCP connections on the port within the timeout, or this host has a listening TCP (`listen`) or a UDP socket for it; 0: it does not",
			"the agent has no free sockets or file descriptors"},
		{"PORT", "NAME.tls.days", "d", nil, "TLS handshake", "days until the server's certificate ends, negative after its end; it is not verified",
			"the item has no `tls`; NAME is 0; the server shows no certificate within the timeout"},
	}
}

func systemdGroup() group {
	const absent = "the host does not run systemd, or its bus does not answer"
	manager := func(name, property, meaning string) Measurement {
		return Measurement{"SYSTEMD", name, "", nil, "D-Bus, Manager." + property, meaning, absent}
	}
	unit := func(name, property, meaning, more string) Measurement {
		return Measurement{"SYSTEMD", name, "", []string{"unit"}, "D-Bus, " + property, meaning, absent + "; there is no such unit" + more}
	}
	return group{
		manager("systemd.units", "NNames", "names of units that are loaded"),
		manager("systemd.units.failed", "NFailedUnits", "units that have failed"),
		manager("systemd.jobs", "NJobs", "jobs that wait or run: starts, stops, reloads"),
		unit("systemd.unit.active", "ListUnits", "1 if the unit is active or reloading, else 0", ""),
		unit("systemd.unit.failed", "ListUnits", "1 if the unit has failed, else 0", ""),
		unit("systemd.unit.restarts", "Service.NRestarts", "how often systemd has restarted the service since somebody started it", ", or it is not a service; systemd is older than 235"),
	}
}

func cgroupGroup() group {
	const dir, off = "/sys/fs/cgroup/cgroup.controllers, /sys/fs/cgroup/PATH/", "the host has no cgroup v2; its controller is off"
	cgroup := func(name, unit, file, meaning, absent string) Measurement {
		return Measurement{"CGROUP", name, unit, []string{"cgroup"}, dir + file, meaning, off + absent}
	}
	const backwards, noLimit = "; " + backwards, "; there is no limit"
	return group{
		cgroup("cgroup.cpu", "%", "cpu.stat", "processor time; 100 is one processor", backwards),
		cgroup("cgroup.cpu.throttled", "%", "cpu.stat", "share of the periods of the limit cpu.max in which the group had to wait", noLimit+", or nothing ran"+backwards),
		cgroup("cgroup.mem", "B", "memory.current", "memory, with the cache of files that the group has read", ""),
		cgroup("cgroup.mem.limit", "B", "memory.max", "limit of the group itself", noLimit),
		cgroup("cgroup.oom_kills", "", "memory.events", "processes killed for lack of memory, since the group exists (oom_kill)", ""),
		cgroup("cgroup.pids", "", "pids.current", "processes and threads", ""),
		cgroup("cgroup.pids.limit", "", "pids.max", "limit of the group itself", noLimit),
	}
}
