package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroupMembers returns the living processes in a cgroup and in those below it:
// a command may have made some if it had the right.
func cgroupMembers(dir string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		procs, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
			return nil
		}
		for _, field := range strings.Fields(string(procs)) {
			// 0 stands for a process of another PID namespace. For kill(2) it
			// would mean this program's own process group.
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return err
	})
	return pids, err
}

// killCgroup kills all processes in a cgroup and below. cgroup.kill (v2 only)
// also kills processes that are being forked, but misses a process whose first
// thread has exited (seen on Linux 6.18). Those are killed by pid, and kept
// from forking meanwhile.
func killCgroup(dir string) error {
	for _, step := range []struct{ file, value string }{{"cgroup.kill", "1"}, {"pids.max", "0"}, {"cgroup.freeze", "1"}} {
		if err := writeCgroup(dir, step.file, step.value); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("writing %s: %w", step.file, err)
		}
	}
	pids, err := cgroupMembers(dir)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	return err
}

// writeCgroup writes to a file of a cgroup. Unlike [os.WriteFile] it makes no
// file. The error is [fs.ErrNotExist] if there is no such cgroup or file.
func writeCgroup(dir, name, value string) error {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}

func removeCgroup(dir string) error { return removeCgroupWithin(time.Second, dir, func() {}) }

// removeCgroupWithin removes a cgroup and those below it, and calls prepare
// before each attempt. It retries because the kernel needs a moment after
// processes have died.
func removeCgroupWithin(patience time.Duration, dir string, prepare func()) error {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause *= 2 {
		prepare()
		err := syscall.Rmdir(dir)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		children, _ := filepath.Glob(filepath.Join(dir, "*/cgroup.procs"))
		for _, procs := range children {
			removeCgroupWithin(patience, filepath.Dir(procs), func() {})
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("removing the cgroup %s: %w", dir, err)
		}
		if len(children) == 0 {
			time.Sleep(pause)
		}
	}
}

// enable enables a controller for the cgroups in dir, and reports whether it is
// enabled.
func enable(dir, controller string) bool {
	return writeCgroup(dir, "cgroup.subtree_control", "+"+controller) == nil
}
