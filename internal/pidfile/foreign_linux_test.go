package pidfile_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/pidfile"
)

func TestAnotherUserIsToldWhoMayLookAtThePIDFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may look at files as another user")
	}
	path := path(t)
	held, err := pidfile.Take(path)
	require.NoError(t, err)
	// The directories above are nobody else's either; this is as good.
	t.Cleanup(func() { require.NoError(t, held.Release()) })

	read, written := make(chan error), make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
		}
		_, err := pidfile.Running(path)
		read <- err
		_, err = pidfile.Take(path)
		written <- err
	}()
	require.ErrorContains(t, <-read, "this user may not read the pid file "+path+": do this as root or as the agent's user (")
	require.ErrorContains(t, <-written, "this user may not write the pid file "+path+": do this as root or as the agent's user, or name another")
}
