package hostmetrics

import "time"

func systemKinds(c Config) []Kind {
	kinds := []Kind{
		{Name: "CPU", Every: 10 * time.Second, Collector: newCPU(c)},
		{Name: "MEM", Every: 10 * time.Second, Collector: newMem(c.Root)},
		{Name: "DISK", Every: 10 * time.Second, Collector: newDisk(c)},
		{Name: "NET", Every: 10 * time.Second, Collector: newNetwork(c)},
		{Name: "PSI", Every: 10 * time.Second, Collector: newPressure(c.Root)},
		{Name: "VM", Every: 10 * time.Second, Collector: newVM(c.Root)},
		{Name: "FS", Every: 300 * time.Second, Collector: newFilesystems(c)},
		{Name: "KERNEL", Every: 300 * time.Second, Collector: newKernel(c)},
		{Name: "TIME", Every: 300 * time.Second, Collector: newClock(c)},
		{Name: "DEV", Every: 300 * time.Second, Collector: newHardware(c)},
		{Name: "COREDUMP", Every: 60 * time.Second, Collector: newCoredumps(c)},
		{Name: "PROC", Every: 60 * time.Second, Assigned: newProcesses(c)},
		{Name: "PORT", Every: 60 * time.Second, Assigned: ports{c.Root}},
	}
	kinds = append(kinds, Kind{Name: "SYSTEMD", Every: 60 * time.Second, Collector: newSystemd(c)})
	if len(c.Include.Cgroups) > 0 {
		kinds = append(kinds, Kind{Name: "CGROUP", Every: 60 * time.Second, Collector: &rates{read: newCgroups(c).read}})
	}
	return kinds
}
