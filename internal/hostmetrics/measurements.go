package hostmetrics

// Measurement describes what a measurement means. docs/measurements.md is made
// of these.
type Measurement struct {
	// Kind it belongs to.
	Kind string
	// Name of the measurement. NAME stands for the name of the assigned item.
	Name string
	// Unit of the value; empty for a plain number.
	Unit string
	// Tags it has, besides host.
	Tags []string
	// Source is the file below the root, or the call, it is taken from.
	Source string
	// Meaning in a sentence.
	Meaning string
}

// Measurements returns every measurement there is on Linux.
func Measurements() []Measurement {
	var all []Measurement
	for _, g := range []group{
		cpuGroup(), memGroup(), diskGroup(), netGroup(), fsGroup(), kernelGroup(), devGroup(), processGroup(),
	} {
		all = append(all, g...)
	}
	return all
}

type group []Measurement

func cpuGroup() group {
	const stat = "/proc/stat"
	share := func(name, of string) Measurement {
		return Measurement{"CPU", name, "%", nil, stat, "share of all processors' time " + of}
	}
	return group{
		{"CPU", "agent.alive", "", nil, "", "1: the agent runs"},
		share("cpu.idle", "without work"),
		share("cpu.user", "in programs, guests included"),
		share("cpu.system", "in the kernel"),
		share("cpu.iowait", "without work while a request to a disk was open"),
		share("cpu.steal", "that the hypervisor gave to others"),
		share("cpu.nice", "in programs of low priority, guests included"),
		share("cpu.irq", "in interrupts"),
		share("cpu.softirq", "in soft interrupts"),
		{"CPU", "cpu.idle.core", "%", []string{"core"}, stat, "share of one processor's time without work"},
		{"CPU", "cpu.loadavg.1", "", nil, "/proc/loadavg", "threads that ran or waited for a disk, over 1 minute"},
		{"CPU", "cpu.loadavg.5", "", nil, "/proc/loadavg", "the same over 5 minutes"},
		{"CPU", "cpu.loadavg.15", "", nil, "/proc/loadavg", "the same over 15 minutes"},
		{"CPU", "ps.total.num", "", nil, "/proc", "processes"},
		{"CPU", "ps.running.num", "", nil, stat, "threads that run or could"},
		{"CPU", "ps.zombies.num", "", nil, "/proc/PID/stat", "processes that ended and were not waited for; counted once a minute"},
		{"CPU", "ps.blocked.num", "", nil, stat, "threads that wait for a disk"},
	}
}

func memGroup() group {
	const info = "/proc/meminfo"
	return group{
		{"MEM", "mem.total", "MiB", nil, info, "memory that the kernel has to give"},
		{"MEM", "mem.used", "MiB", nil, info, "total less what is available"},
		{"MEM", "mem.free", "MiB", nil, info, "available without swapping; before Linux 3.14 free, buffers and cached"},
		{"MEM", "mem.buffers", "MiB", nil, info, "cache of disks' blocks"},
		{"MEM", "mem.cached", "MiB", nil, info, "cache of files, tmpfs included"},
		{"MEM", "mem.used.percent", "%", nil, info, "used of total"},
		{"MEM", "mem.swap.used.percent", "%", nil, info, "used of the swap; absent without swap"},
	}
}

func diskGroup() group {
	device := []string{"device"}
	disk := func(name, unit, meaning string) Measurement {
		return Measurement{"DISK", name, unit, device, "/proc/diskstats, /sys/block", meaning}
	}
	return group{
		disk("disk.io.read_requests", "1/s", "reads that were finished"),
		disk("disk.io.write_requests", "1/s", "writes that were finished"),
		disk("disk.io.read_bytes", "B/s", "read"),
		disk("disk.io.write_bytes", "B/s", "written"),
		disk("disk.io.await", "ms", "mean time of a read or write, waiting included; 0 where there was none"),
		disk("disk.io.util", "%", "share of the time in which a request was open"),
	}
}

func netGroup() group {
	tag := []string{"interface"}
	const dev, speed = "/proc/net/dev", "/sys/class/net/INTERFACE/speed"
	return group{
		{"NET", "net.in", "bit/s", tag, dev, "received"},
		{"NET", "net.out", "bit/s", tag, dev, "sent"},
		{"NET", "net.in.dropped", "1/s", tag, dev, "packets received and dropped"},
		{"NET", "net.out.dropped", "1/s", tag, dev, "packets dropped in place of being sent"},
		{"NET", "net.in.errors", "1/s", tag, dev, "packets received with an error"},
		{"NET", "net.out.errors", "1/s", tag, dev, "packets not sent for an error"},
		{"NET", "net.speed", "Mbit/s", tag, speed, "speed of the link; absent where unknown"},
		{"NET", "net.in.percent", "%", tag, speed, "received of what the link could; absent where its speed is unknown"},
		{"NET", "net.out.percent", "%", tag, speed, "sent of what the link could; absent where its speed is unknown"},
		{"NET", "net.sockets.used", "", nil, "/proc/net/sockstat", "sockets of all families"},
		{"NET", "net.tcp.inuse", "", nil, "/proc/net/sockstat, sockstat6", "TCP sockets over IPv4 and IPv6 that are not closed, without those in TIME-WAIT"},
		{"NET", "net.tcp.timewait", "", nil, "/proc/net/sockstat", "TCP connections in TIME-WAIT"},
		{"NET", "net.tcp.listendrops", "1/s", nil, "/proc/net/netstat", "attempts to connect that a listening socket dropped (ListenDrops)"},
		{"NET", "net.tcp.retrans", "1/s", nil, "/proc/net/snmp", "TCP segments sent again (RetransSegs)"},
	}
}

func fsGroup() group {
	mount := []string{"mount"}
	const statfs, files = "statfs(2)", "/proc/sys/fs/file-nr"
	return group{
		{"FS", "fs.space.total", "MiB", mount, statfs, "size"},
		{"FS", "fs.space.used", "MiB", mount, statfs, "used"},
		{"FS", "fs.space.free", "MiB", mount, statfs, "free for users without privilege"},
		{"FS", "fs.space.used.percent", "%", mount, statfs, "used, of used and free"},
		{"FS", "fs.inodes.used.percent", "%", mount, statfs, "used of the inodes; absent where the file system has no table of them"},
		{"FS", "fs.files.rw", "", mount, "a file", "1: a file could be written and read back; 0: not, or the mount hangs; absent where mounted read-only or the agent may not write"},
		{"FS", "kernel.files.max", "", nil, files, "most files that may be open"},
		{"FS", "kernel.files.allocated", "", nil, files, "open files"},
		{"FS", "kernel.files.left", "", nil, files, "files that may still be opened"},
		{"FS", "kernel.files.allocated.percent", "%", nil, files, "open of the most"},
	}
}

func kernelGroup() group {
	return group{
		{"KERNEL", "kernel.user.login", "", []string{"user", "remote", "device", "success"}, "/var/log/wtmp, btmp",
			"one point a login, at its own time: 1 where it succeeded (tag success true), 0 where not (false). Of equal ones in one second all but the first get an earlier second, 5 minutes at most. The user of a failed login is \"invalid\" unless there is one of that name"},
		{"TIME", "time.offset", "s", nil, "NTP", "what has to be added to the host's time to make it right"},
	}
}

func devGroup() group {
	return group{
		{"DEV", "dev.temperature", "°C", []string{"sensor"}, "/sys/class/hwmon, else /sys/class/thermal", "temperature"},
		{"DEV", "dev.raid.degraded", "", []string{"device"}, "/sys/block/DEVICE/md/degraded", "disks that a software RAID misses"},
		{"DEV", "dev.edac.errors", "", []string{"type"}, "/sys/devices/system/edac", "memory errors since the start; type is corrected or uncorrected"},
		{"COREDUMP", "app.service.coredump", "", []string{"service"}, "the directory coredump.dir", "1 for each new file core.SERVICE.PID.UNIXTIME, or as systemd-coredump names it"},
	}
}

func processGroup() group {
	const stat = "/proc/PID/stat"
	return group{
		{"PROC", "NAME.procnum", "", nil, "/proc/PID/exe", "processes of the program"},
		{"PROC", "NAME.mem", "B", nil, stat, "their resident memory; shared memory counts for each"},
		{"PROC", "NAME.fdnum", "", nil, "/proc/PID/fd", "their open file descriptors"},
		{"PROC", "NAME.cpu", "%", nil, stat, "their processor time; 100 is one processor"},
		{"PROC", "NAME.io.read", "B/s", nil, "/proc/PID/io", "what they read from disks"},
		{"PROC", "NAME.io.write", "B/s", nil, "/proc/PID/io", "what they wrote for disks"},
		{"PORT", "NAME", "", nil, "connect(2)", "1: 127.0.0.1 accepts TCP connections at the port within the time limit; 0: not"},
	}
}
