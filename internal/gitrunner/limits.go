package gitrunner

import (
	"fmt"
	"math"
	"runtime"
	"strconv"

	"github.com/lodastack/agent/internal/cell"
)

// limits bound a process of git, and each of its children (setrlimit(2)). They
// hold where no cgroup can be used, too.
type limits struct {
	file   int64 // bytes of a file that it writes (RLIMIT_FSIZE)
	memory int64 // bytes of memory of its own (RLIMIT_DATA)
}

// gitMemory is enough for git with our options, and for helpers written in Go,
// such as git-lfs.
const gitMemory = 512 << 20

func (r *Runner) limits() limits {
	return limits{file: r.config.MaxSize + 1<<20, memory: gitMemory}
}

// setLimits makes a shell limit itself and become its arguments. Where a write
// is too large, git shall say so, not be killed by SIGXFSZ. A limit that is
// stricter already cannot be set, which is no reason to stop.
const setLimits = `trap "" XFSZ; ulimit -f %d 2>/dev/null; ulimit -d %d 2>/dev/null; exec "$@"`

// apply returns the command under the limits. POSIX counts files in blocks of
// 512 bytes, and shells memory in KiB.
func (l limits) apply(c cell.Command) cell.Command {
	if runtime.GOOS == "windows" {
		return c
	}
	script := fmt.Sprintf(setLimits, l.file/512, l.memory>>10)
	c.Args = append([]string{"-c", script, "sh", c.Path}, c.Args...)
	c.Path = "/bin/sh"
	return c
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= unit.size {
			return strconv.FormatFloat(math.Floor(float64(bytes)*10/float64(unit.size))/10, 'f', -1, 64) + " " + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10) + " bytes"
}
