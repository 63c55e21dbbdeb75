package gitrunner

import (
	"fmt"
	"math"
	"runtime"
	"strconv"

	"github.com/lodastack/agent/internal/sandbox"
)

// limits are the limits of a git process and of each of its children
// (setrlimit(2)). They also work without cgroups.
type limits struct {
	file   int64 // size of a file that it writes, in bytes (RLIMIT_FSIZE)
	memory int64 // private memory, in bytes (RLIMIT_DATA)
}

// gitMemory is enough for git with our options, and for helpers written in Go,
// such as git-lfs.
const gitMemory = 512 << 20

func (c *client) limits() limits {
	return limits{file: c.maxSize + 1<<20, memory: gitMemory}
}

// setLimits makes a shell limit itself and then execute its arguments. Without
// SIGXFSZ git reports a file that is too large, instead of being killed. The
// shell cannot raise a limit that is already stricter, and its error is
// ignored.
const setLimits = `trap "" XFSZ; ulimit -f %d 2>/dev/null; ulimit -d %d 2>/dev/null; exec "$@"`

// apply returns the command with the limits. POSIX shells count files in blocks
// of 512 bytes, and memory in KiB.
func (l limits) apply(c sandbox.Command) sandbox.Command {
	if runtime.GOOS == "windows" {
		return c
	}
	script := fmt.Sprintf(setLimits, l.file/512, l.memory>>10)
	c.Args = append([]string{"-c", script, "sh", c.Path}, c.Args...)
	c.Path = "/bin/sh"
	return c
}

// tooLargeError means that something is larger than a limit, which key names.
type tooLargeError struct {
	what  string
	limit int64
	key   string
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%s is larger than %s (%s)", e.what, size(e.limit), e.key)
}

func (c *client) tooLarge(what string) error { return &tooLargeError{what, c.maxSize, c.sizeKey} }

// size formats a number of bytes for people.
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
