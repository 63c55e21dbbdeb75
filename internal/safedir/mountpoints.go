package safedir

import (
	"runtime"

	"github.com/lodastack/agent/internal/procfs"
)

// mountPoints returns the resolved paths of all mount points, including bind mounts. Other
// systems than Linux have no bind mounts.
func mountPoints() (map[string]bool, error) {
	if runtime.GOOS != "linux" {
		return nil, nil
	}
	mounts, err := procfs.ReadMounts("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	points := make(map[string]bool, len(mounts))
	for _, m := range mounts {
		points[m.Point] = true
	}
	return points, nil
}
