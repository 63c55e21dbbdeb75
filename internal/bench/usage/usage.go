//go:build linux

// Package usage reads what a process has used.
package usage

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used; sizes are in bytes.
type Usage struct {
	CPU                       time.Duration
	Resident, Anonymous, Peak int64
}

// Read reads proc(5). The CPU time is that of the living threads, in
// nanoseconds; /proc/PID/stat has only hundredths of a second.
func Read(pid int) (Usage, error) {
	var u Usage
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	threads, err := filepath.Glob(proc + "/task/*/schedstat")
	if err != nil {
		return u, err
	}
	if len(threads) == 0 {
		return u, fmt.Errorf("%s/task: there is no such process, or no schedstat", proc)
	}
	for _, thread := range threads {
		content, err := os.ReadFile(thread)
		if err != nil {
			return u, err
		}
		onCPU, _, _ := strings.Cut(string(content), " ")
		ns, err := strconv.ParseInt(onCPU, 10, 64)
		if err != nil {
			return u, fmt.Errorf("%s: %w", thread, err)
		}
		u.CPU += time.Duration(ns)
	}
	content, err := os.ReadFile(proc + "/status")
	if err != nil {
		return u, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64) // the kernel writes numbers
		switch fields[0] {
		case "VmRSS:":
			u.Resident = n << 10
		case "RssAnon:":
			u.Anonymous = n << 10
		case "VmHWM:":
			u.Peak = n << 10
		}
	}
	return u, nil
}
