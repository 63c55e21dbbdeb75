package sdnotify

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Reloading says that a reload begins, with the time: systemd waits for a [Ready] that
// comes after it.
func Reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "RELOADING=1"
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}
