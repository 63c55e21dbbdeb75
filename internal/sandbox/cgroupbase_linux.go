package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// subgroup is the child of a delegated cgroup that the program itself is in. It
// is needed because a cgroup that has processes cannot give its controllers to
// children. The unit has the same name in DelegateSubgroup=.
const subgroup = "agent"

// cgroupBase returns the cgroup v2 in which sandboxes are made: the program's own, or
// its parent if that is delegated.
func cgroupBase() (string, error) {
	own, err := ownDir("", "cgroup2")
	if err != nil {
		return "", err
	}
	if own, err = enterSubgroup(own, os.Getpid()); err != nil {
		return "", err
	}
	if above := filepath.Dir(own); delegated(above) {
		for _, controller := range []string{"memory", "pids", "cpu"} {
			enable(above, controller)
		}
		return above, nil
	}
	return own, nil
}

// enterSubgroup moves the program into a child of its own cgroup if that is
// delegated and has no other process. systemd 254 and newer do so
// (DelegateSubgroup=). It returns the cgroup of the program after that.
func enterSubgroup(own string, pid int) (string, error) {
	if !delegated(own) {
		return own, nil
	}
	procs, err := os.ReadFile(filepath.Join(own, "cgroup.procs"))
	if err != nil {
		return "", fmt.Errorf("reading the processes of the program's own cgroup: %w", err)
	}
	if strings.TrimSpace(string(procs)) != strconv.Itoa(pid) {
		return own, nil
	}
	below := filepath.Join(own, subgroup)
	if err := os.Mkdir(below, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("making a cgroup for the program itself: %w", err)
	}
	if err := writeCgroup(below, "cgroup.procs", strconv.Itoa(pid)); err != nil {
		return "", fmt.Errorf("moving into the cgroup %s: %w", below, err)
	}
	return below, nil
}

// delegated reports whether systemd has delegated a cgroup (Delegate=yes), see
// https://systemd.io/CGROUP_DELEGATION/.
func delegated(dir string) bool {
	for _, attr := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(dir, attr, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// LimitOwnMemory limits the memory of the calling program alone, in bytes, by
// moving it into a cgroup of its own below one that systemd has delegated
// (Delegate=yes). Without a delegated cgroup it does nothing. At the limit the
// kernel first reclaims page cache, then kills the program.
func LimitOwnMemory(bytes int64) error {
	base, err := cgroupBase()
	if err != nil || !delegated(base) {
		return nil
	}
	own, err := ownDir("", "cgroup2")
	if err != nil {
		return err
	}
	return limitMemory(base, own, bytes)
}

func limitMemory(base, own string, bytes int64) error {
	if !enable(base, "memory") {
		return fmt.Errorf("limiting the agent's own memory: the memory controller is not available in the cgroup %s", base)
	}
	if err := writeCgroup(own, "memory.max", strconv.FormatInt(bytes, 10)); err != nil {
		return fmt.Errorf("limiting the agent's own memory: %w", err)
	}
	return nil
}

// ownDir returns the directory of the program's own cgroup: in v2 if controller
// is empty, else in the v1 hierarchy that has the controller. See cgroups(7).
func ownDir(controller, fstype string) (string, error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("reading the program's own cgroup: %w", err)
	}
	path, ok := ownCgroup(string(groups), controller)
	if !ok {
		return "", fmt.Errorf("this program is in no cgroup of type %s %s", fstype, controller)
	}
	mounts, err := procfs.ReadMounts("/proc/self/mountinfo")
	if err != nil && len(mounts) == 0 {
		return "", fmt.Errorf("finding the mounted cgroups: %w", err)
	}
	dir, ok := mountedCgroup(mounts, path, fstype, controller)
	if !ok {
		return "", fmt.Errorf("no %s %s that contains the program's own cgroup %s is mounted", fstype, controller, path)
	}
	return dir, nil
}

// ownCgroup finds the path in lines "ID:CONTROLLERS:PATH". The line of cgroup
// v2 begins with "0::".
func ownCgroup(groups, controller string) (string, bool) {
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if controller == "" && fields[0] == "0" && fields[1] == "" ||
			controller != "" && slices.Contains(strings.Split(fields[1], ","), controller) {
			return fields[2], true
		}
	}
	return "", false
}

// mountedCgroup finds the directory of a cgroup. The mount of a v1 hierarchy
// has its controllers among its options.
func mountedCgroup(mounts []procfs.Mount, path, fstype, controller string) (string, bool) {
	for _, m := range mounts {
		if m.Type != fstype || controller != "" && !slices.Contains(m.SuperOptions, controller) {
			continue
		}
		rel, err := filepath.Rel(m.Root, path)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return filepath.Join(m.Point, rel), true
		}
	}
	return "", false
}
