package main

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// releaseStartPages takes the pages of the program's file, its code and constants, out
// of the resident memory: a third of them served only the start, such as the parsers
// of the config and of certificates. They stay in the kernel's page cache, and one that
// is needed again is back with a page fault and without a read from disk. MADV_PAGEOUT would take them from the cache too, so that a disk that hangs
// could stop the agent.
func releaseStartPages() error {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var (
			from, to           uintptr
			rights, at, device string
			inode              uint64
			path               string
		)
		// Lines of anonymous memory have no path: see proc_pid_maps(5).
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s %s %s %d %s", &from, &to, &rights, &at, &device, &inode, &path); n < 7 {
			continue
		}
		if path != program || rights != "r-xp" && rights != "r--p" {
			continue // what can be written is not only in the file
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return lines.Err()
}
