//go:build linux

package hostmetrics_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// mounted returns a root with the given lines of mountinfo.
func mounted(t *testing.T, mountinfo string) string {
	root := t.TempDir()
	write(t, filepath.Join(root, "proc/1/mountinfo"), mountinfo)
	write(t, filepath.Join(root, "proc/sys/fs/file-nr"), "1\t0\t100\n")
	return root
}

func writability(t *testing.T, kinds []hostmetrics.Kind) map[string]any {
	metrics, err := collector(t, kinds, "FS").Collect(t.Context())
	require.NoError(t, err)
	rw := make(map[string]any)
	for _, m := range metrics {
		if m.Name == "fs.files.rw" {
			rw[m.Tags["mount"]] = m.Value
		}
	}
	return rw
}

const twoMounts = `27 1 8:1 / / rw - ext4 /dev/sda1 rw
28 27 0:45 / /nfs rw - nfs4 10.0.0.9:/ rw
`

func TestAHungMountDelaysNothingAndPilesUpNothing(t *testing.T) {
	root := mounted(t, twoMounts)
	synctest.Test(t, func(t *testing.T) {
		kinds := hostmetrics.Kinds(hostmetrics.Config{Root: root})
		dead := make(chan struct{})
		release := sync.OnceFunc(func() { close(dead) })
		defer release()
		var looks atomic.Int32
		hostmetrics.FakeFileSystems(kinds, func(path string, _ bool) (hostmetrics.Space, bool, error) {
			if strings.HasSuffix(path, "nfs") {
				looks.Add(1)
				<-dead
			}
			return hostmetrics.Space{Blocks: 1}, true, nil
		})
		goroutines := 0
		for round := range 10 {
			began := time.Now()
			require.Equal(t, map[string]any{"/": 1.0, "/nfs": 0.0}, writability(t, kinds))
			if round == 0 {
				require.Equal(t, 10*time.Second, time.Since(began))
				synctest.Wait()
				goroutines = runtime.NumGoroutine()
			} else {
				require.Zero(t, time.Since(began), "a mount known to hang is not waited for")
			}
		}
		require.EqualValues(t, 1, looks.Load(), "only one look may hang in a mount")
		synctest.Wait()
		require.Less(t, runtime.NumGoroutine(), goroutines+9, "others come and go, but none for each round")

		release()
		synctest.Wait()
		require.Equal(t, map[string]any{"/": 1.0, "/nfs": 1.0}, writability(t, kinds))
	})
}

func TestAMountIsNotReportedHungBecauseTheAgentStops(t *testing.T) {
	root := mounted(t, twoMounts)
	synctest.Test(t, func(t *testing.T) {
		kinds := hostmetrics.Kinds(hostmetrics.Config{Root: root})
		ctx, cancel := context.WithCancel(t.Context())
		released := make(chan struct{})
		defer close(released)
		hostmetrics.FakeFileSystems(kinds, func(path string, _ bool) (hostmetrics.Space, bool, error) {
			if strings.HasSuffix(path, "nfs") {
				cancel()
				<-released
			}
			return hostmetrics.Space{}, true, nil
		})
		metrics, err := collector(t, kinds, "FS").Collect(ctx)
		require.NoError(t, err)
		require.NotContains(t, lines(metrics), `fs.files.rw{mount="/nfs"} 0`)
	})
}

func TestWritabilityIsTriedWithARealFileThatIsRemoved(t *testing.T) {
	root := mounted(t, twoMounts)
	require.NoError(t, os.Mkdir(filepath.Join(root, "nfs"), 0o755))
	kinds := hostmetrics.Kinds(hostmetrics.Config{Root: root})
	require.Equal(t, map[string]any{"/": 1.0, "/nfs": 1.0}, writability(t, kinds))
	requireNothingLeft(t, filepath.Join(root, "nfs"))
}

func requireNothingLeft(t *testing.T, dir string) {
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestWhatACrashLeftBehindIsRemoved(t *testing.T) {
	root := mounted(t, twoMounts)
	dir := filepath.Join(root, "nfs")
	require.NoError(t, os.Mkdir(dir, 0o755))
	name := hostmetrics.RWFile("/state")
	write(t, filepath.Join(dir, name), "half")
	kinds := hostmetrics.Kinds(hostmetrics.Config{Root: root, StateDir: "/state"})
	require.Equal(t, 1.0, writability(t, kinds)["/nfs"])
	requireNothingLeft(t, dir)
}

func TestALinkInPlaceOfTheWrittenFileIsNotFollowed(t *testing.T) {
	root := mounted(t, twoMounts)
	dir := filepath.Join(root, "nfs")
	require.NoError(t, os.Mkdir(dir, 0o755))
	victim := filepath.Join(t.TempDir(), "victim")
	write(t, victim, "precious")
	require.NoError(t, os.Symlink(victim, filepath.Join(dir, hostmetrics.RWFile(""))))
	require.Equal(t, 1.0, writability(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}))["/nfs"])
	content, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "precious", string(content))
}

func TestWritabilityIsUnknownWhereTheAgentCannotTry(t *testing.T) {
	root := mounted(t, twoMounts) // and there is no directory nfs
	require.Equal(t, map[string]any{"/": 1.0}, writability(t, hostmetrics.Kinds(hostmetrics.Config{Root: root})))
}

func TestWritabilityIsUnknownWhereTheAgentHasNoDescriptorLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limit.Max}))
	works, err := hostmetrics.WriteAndRead(path)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	require.False(t, works)
	require.Error(t, err)
	works, err = hostmetrics.WriteAndRead(path)
	require.NoError(t, err)
	require.True(t, works)
}

func TestNothingIsWrittenWhereAMountIsReadOnly(t *testing.T) {
	root := mounted(t, "27 1 8:1 / / ro - ext4 /dev/sda1 ro\n")
	kinds := hostmetrics.Kinds(hostmetrics.Config{Root: root})
	hostmetrics.FakeFileSystems(kinds, func(_ string, write bool) (hostmetrics.Space, bool, error) {
		if write {
			return hostmetrics.Space{}, false, errors.New("wrote")
		}
		return hostmetrics.Space{Blocks: 1}, false, nil
	})
	metrics, err := collector(t, kinds, "FS").Collect(t.Context())
	require.NoError(t, err)
	require.Contains(t, lines(metrics), `fs.space.total{mount="/"} 0.00390625`)
	require.Empty(t, writability(t, kinds))
}
