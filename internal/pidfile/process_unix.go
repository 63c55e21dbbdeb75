//go:build unix

package pidfile

import (
	"errors"
	"runtime"
	"syscall"
)

func exists(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func onLinux() bool { return runtime.GOOS == "linux" }
