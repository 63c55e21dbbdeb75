package main

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// releaseStartPages removes the pages of the program's file, its code and constants, from
// the resident memory. A third of them served only the start, such as the parsers of the
// config and of certificates. The pages stay in the kernel's page cache: one that is needed
// again costs a page fault, and no read from disk. MADV_PAGEOUT would remove them from the
// cache too, and then a disk that hangs could stop the agent.
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
			continue // a writable page may differ from the file
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return lines.Err()
}
