package hostmetrics

import "time"

func systemKinds(c Config) []Kind {
	return []Kind{
		{"CPU", 10 * time.Second, newCPU(c.Root)},
		{"MEM", 10 * time.Second, newMem(c.Root)},
		{"DISK", 10 * time.Second, newDisk(c.Root)},
		{"NET", 10 * time.Second, newNetwork(c.Root, c.InterfacePrefixes)},
		{"FS", 300 * time.Second, newFilesystems(c)},
		{"KERNEL", 300 * time.Second, newLogins(c)},
		{"TIME", 300 * time.Second, newClock(c)},
		{"DEV", 300 * time.Second, newHardware(c.Root)},
		{"COREDUMP", 60 * time.Second, newCoredumps(c)},
		{"PROC", 60 * time.Second, newProcesses(c.Root)},
		{"PORT", 60 * time.Second, ports{}},
	}
}
