package cell

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupBase returns the directory below which cells are made: the program's
// own cgroup v2, or the one above where systemd delegated that one
// (Delegate=yes with DelegateSubgroup=), which holds no processes and so may
// hand its controllers down.
func cgroupBase() (string, error) {
	own, err := cgroupDir("0::", "cgroup2", "")
	if err != nil {
		return "", err
	}
	above := filepath.Dir(own)
	for _, attr := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(above, attr, value[:]); err == nil && string(value[:n]) == "1" {
			enable(above, "memory")
			enable(above, "pids")
			return above, nil
		}
	}
	return own, nil
}

// cgroupDir returns the directory of the program's own cgroup: the one whose
// line in /proc/self/cgroup begins with, or contains as controller, key,
// mounted with a file system type and an option. See cgroups(7).
func cgroupDir(key, fstype, option string) (string, error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("looking for the own cgroup: %w", err)
	}
	path, ok := ownCgroup(string(groups), key)
	if !ok {
		return "", fmt.Errorf("this program is in no cgroup of type %s %s", fstype, option)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("looking for mounted cgroups: %w", err)
	}
	dir, ok := mountedCgroup(string(mounts), path, fstype, option)
	if !ok {
		return "", fmt.Errorf("no %s %s with the own cgroup %s is mounted", fstype, option, path)
	}
	return dir, nil
}

// ownCgroup finds the path in lines "ID:CONTROLLERS:PATH". key is "0::" for
// cgroup v2, else a controller.
func ownCgroup(groups, key string) (string, bool) {
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		v2 := key == "0::" && fields[0] == "0" && fields[1] == ""
		if v2 || contains(fields[1], key) {
			return fields[2], true
		}
	}
	return "", false
}

// mountedCgroup finds where the cgroup path is visible, given the lines of
// /proc/self/mountinfo:
//
//	41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
func mountedCgroup(mounts, path, fstype, option string) (string, bool) {
	for line := range strings.Lines(mounts) {
		left, right, _ := strings.Cut(line, " - ")
		mount, source := strings.Fields(left), strings.Fields(right)
		if len(mount) < 5 || len(source) < 3 || source[0] != fstype || option != "" && !contains(source[2], option) {
			continue
		}
		root, point := mount[3], mount[4]
		rel, err := filepath.Rel(root, path)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return filepath.Join(point, rel), true
		}
	}
	return "", false
}

func contains(list, item string) bool {
	return strings.Contains(","+list+",", ","+item+",")
}

const blockPrefix = "agent-cells-"

// makeBlockDir makes a directory whose name tells which process made it.
func makeBlockDir(base string) (string, error) {
	pid := os.Getpid()
	stat, err := readStat(pid)
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		dir := filepath.Join(base, fmt.Sprintf("%s%d-%d-%d", blockPrefix, pid, stat.start, n))
		if err := os.Mkdir(dir, 0o755); err == nil || !errors.Is(err, os.ErrExist) {
			return dir, err
		}
	}
}

// removeStale ends what a killed program has left in its cells.
func removeStale(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, blockPrefix+"*"))
	for _, dir := range dirs {
		fields := strings.Split(strings.TrimPrefix(filepath.Base(dir), blockPrefix), "-")
		pid, err := strconv.Atoi(fields[0])
		if err != nil || len(fields) != 3 {
			continue
		}
		if stat, err := readStat(pid); err == nil && !stat.zombie && strconv.FormatUint(stat.start, 10) == fields[1] {
			continue
		}
		os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
		removeCgroupWithin(100*time.Millisecond, dir) // else the next start will
	}
}

func removeCgroup(dir string) error { return removeCgroupWithin(time.Second, dir) }

// removeCgroupWithin removes a cgroup and those within. The kernel needs a
// moment for processes that have just died.
func removeCgroupWithin(patience time.Duration, dir string) error {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause *= 2 {
		err := syscall.Rmdir(dir)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		children, _ := filepath.Glob(filepath.Join(dir, "*/cgroup.procs"))
		for _, procs := range children {
			removeCgroupWithin(patience, filepath.Dir(procs))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("removing the cgroup %s: %w", dir, err)
		}
		if len(children) == 0 {
			time.Sleep(pause)
		}
	}
}

// enable hands a controller down to the cgroups in dir, and says whether it
// is.
func enable(dir, controller string) bool {
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0) == nil
}
