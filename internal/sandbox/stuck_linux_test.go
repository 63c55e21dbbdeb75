//go:build amd64 || arm64

package sandbox

import (
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestOnlyANewProcessThatIsStoppedIsKilledSoon(t *testing.T) {
	for name, isPidfd := range map[string]bool{"by its descriptor": true, "by its id": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := exec.Command("sleep", "60")
			require.NoError(t, slow.Start())
			defer slow.Wait()
			defer slow.Process.Kill()
			fd := int32(slow.Process.Pid)
			if isPidfd {
				n, err := unix.PidfdOpen(slow.Process.Pid, 0)
				require.NoError(t, err)
				defer unix.Close(n)
				fd = int32(n)
			}
			require.False(t, isStopped(int(fd), isPidfd))

			stop := killLater(&fd, isPidfd)
			time.AfterFunc(3*longestStop/2, func() { _ = slow.Process.Signal(syscall.SIGSTOP) })
			began := time.Now()
			var ended atomic.Bool
			go func() { _ = slow.Wait(); ended.Store(true) }()
			require.Eventually(t, ended.Load, longestPreparation/2, 10*time.Millisecond)
			require.Greater(t, time.Since(began), longestStop, "it was slow and not stopped")
			require.ErrorIs(t, stop(), errStopped)
		})
	}
}
