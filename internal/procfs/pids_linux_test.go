package procfs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/procfs"
)

func TestProcessesAreCountedWithoutAList(t *testing.T) {
	dir := t.TempDir()
	begin := func(from, to int) {
		for pid := from; pid < to; pid++ {
			require.NoError(t, os.Mkdir(filepath.Join(dir, strconv.Itoa(pid)), 0o700))
		}
	}
	begin(1, 41)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sys"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stat"), nil, 0o600))
	if links(t, dir) != 2+41 {
		t.Skip("this file system does not count the links of directories")
	}
	l := procfs.PIDLister{Dir: dir}
	pids, err := l.List()
	require.NoError(t, err)
	require.Len(t, pids, 40)

	begin(41, 43)
	n, ok := l.Count()
	require.True(t, ok)
	require.Equal(t, 42, n)
	begin(43, 45)
	_, ok = l.Count()
	require.False(t, ok, "44 may be others than the 40 that were listed")
}

func TestTheKernelCountsTheProcessesOfTheHost(t *testing.T) {
	const initial = 0xEFFFFFFC // PROC_PID_INIT_INO
	var ns syscall.Stat_t
	require.NoError(t, syscall.Stat("/proc/self/ns/pid", &ns))
	l := procfs.PIDLister{Dir: "/proc"}
	equal := func() bool {
		pids, err := l.List()
		require.NoError(t, err)
		n, ok := l.Count()
		return ok && n == len(pids)
	}
	if ns.Ino != initial {
		require.False(t, equal(), "inside a PID namespace")
		return
	}
	require.Eventually(t, equal, 30*time.Second, time.Millisecond, "some process begins or ends between all lists and counts")
}

func links(t *testing.T, dir string) int {
	var stat syscall.Stat_t
	require.NoError(t, syscall.Stat(dir, &stat))
	return int(stat.Nlink)
}

func TestProcessesAreListedWithTheirInodeNumbers(t *testing.T) {
	l := procfs.PIDLister{Dir: "/proc"}
	for range 2 {
		pids, err := l.List()
		require.NoError(t, err)
		require.Len(t, l.Inodes(), len(pids))
		own := slices.Index(pids, os.Getpid())
		require.GreaterOrEqual(t, own, 0)
		var st syscall.Stat_t
		require.NoError(t, syscall.Stat("/proc/self/", &st))
		require.Equal(t, st.Ino, l.Inodes()[own])
	}
}
