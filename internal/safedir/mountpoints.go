package safedir

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// mountPoints returns the resolved paths of all mount points, including bind mounts. Other
// systems than Linux have no bind mounts.
func mountPoints() (map[string]bool, error) {
	if runtime.GOOS != "linux" {
		return nil, nil
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	points := make(map[string]bool)
	// proc(5): ID parent major:minor root mountpoint options…, with blanks and
	// backslashes in paths as octal numbers.
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`)
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			return nil, fmt.Errorf("/proc/self/mountinfo has a line that names no mount point: %.100q", line)
		}
		points[unescape.Replace(fields[4])] = true
	}
	return points, nil
}
