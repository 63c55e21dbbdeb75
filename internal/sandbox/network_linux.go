package sandbox

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// CheckNoNetwork returns an error if commands cannot run without a network on this
// host. Only root may make the network namespace for that, see network_namespaces(7).
func CheckNoNetwork() error {
	tried := make(chan error, 1)
	onOwnThread(func() { tried <- unix.Unshare(unix.CLONE_NEWNET) })
	if err := <-tried; err != nil {
		return fmt.Errorf("making a network namespace: %w", err)
	}
	return nil
}

// withoutNetwork starts a command in its own network namespace, which has only a
// loopback interface that is down.
func withoutNetwork(attr *syscall.SysProcAttr) { attr.Cloneflags |= syscall.CLONE_NEWNET }
