//go:build unix

package pidfile

import (
	"errors"
	"runtime"
	"syscall"
)

// dontFollowOrWait are flags for opening a file.
const dontFollowOrWait = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

func exists(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func onLinux() bool { return runtime.GOOS == "linux" }
