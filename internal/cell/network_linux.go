package cell

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// CheckNoNetwork says why commands cannot run without network here. Only root may
// make the network namespace for that, see network_namespaces(7).
func CheckNoNetwork() error {
	tried := make(chan error, 1)
	onOwnThread(func() { tried <- unix.Unshare(unix.CLONE_NEWNET) })
	if err := <-tried; err != nil {
		return fmt.Errorf("making a network namespace: %w", err)
	}
	return nil
}

// withoutNetwork starts a command in a network namespace of its own, in which
// there is nothing but a loopback interface that is down.
func withoutNetwork(attr *syscall.SysProcAttr) { attr.Cloneflags |= syscall.CLONE_NEWNET }
