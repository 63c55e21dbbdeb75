package procfs_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/lodastack/agent/internal/procfs"
	"github.com/stretchr/testify/require"
)

const tail = ` S 7 101 102 0 -1 4194560 10 20 0 0 11 22 7 8 20 0 1 0 600 12345678 500 18446744073709551615 1 1 0`

func TestTheNameOfAProcessMayLookLikeTheRestOfItsStat(t *testing.T) {
	for _, name := range []string{"nginx", "nginx: worker) 1", ") Z 1 1", "", "a\nb"} {
		s, ok := procfs.ParseStat([]byte("101 (" + name + ")" + tail + "\n"))
		require.True(t, ok, name)
		require.Equal(t, procfs.Stat{
			State: 'S', Parent: 7, Session: 102, UserTicks: 11, SystemTicks: 22, Threads: 1, Start: 600, ResidentPages: 500,
		}, s, name)
	}
}

func TestAStatThatIsCutShortIsNone(t *testing.T) {
	whole := "101 (x)" + tail
	for end := range len("101 (x) S 7 101 102 0 -1 4194560 10 20 0 0 11 22 7 8 20 0 1 0 600 12345678 ") {
		_, ok := procfs.ParseStat([]byte(whole[:end]))
		require.False(t, ok, whole[:end])
	}
}

// The kernel's do_task_stat prints this of a process whose parent has just
// waited for it.
func TestAProcessThatIsBeingRemovedIsDead(t *testing.T) {
	s, ok := procfs.ParseStat([]byte("101 (x) X 0 -1 -1 0 -1 4194560 10 20 0 0 11 22 7 8 20 0 0 0 600 0 0 0\n"))
	require.True(t, ok)
	require.Equal(t, -1, s.Session)
	require.True(t, s.Dead())
}

func TestAStatOfNumbersThatCannotBeIsNone(t *testing.T) {
	for _, content := range []string{
		"1 (x) \x00 7 101 102 0 -1 4194560 10 20 0 0 11 22 7 8 20 0 1 0 600 0 500 0",
		"1 (x) S 18446744073709551615 101 102 0 -1 4194560 10 20 0 0 11 22 7 8 20 0 1 0 600 0 500 0",
		"1 (x) S 7 101 -2 0 -1 4194560 10 20 0 0 11 22 7 8 20 0 1 0 600 0 500 0",
		"1 (x) S 7 101 102 0 -1 4194560 10 20 0 0 11 22 7 8 20 0 2147483648 0 600 0 500 0",
	} {
		_, ok := procfs.ParseStat([]byte(content))
		require.False(t, ok, content)
	}
}

func TestParsingAStatAllocatesNothing(t *testing.T) {
	content := []byte("101 (x)" + tail)
	require.Zero(t, testing.AllocsPerRun(100, func() { procfs.ParseStat(content) }))
}

func TestTheDeadAreToldFromTheLiving(t *testing.T) {
	for state, dead := range map[byte]bool{'R': false, 'S': false, 'D': false, 'T': false, 'Z': true, 'X': true} {
		require.Equal(t, dead, procfs.Stat{State: state, Threads: 1}.Dead(), string(state))
	}
	require.False(t, procfs.Stat{State: 'Z', Threads: 2}.Dead(), "only its first thread has ended")
}

func TestOwnStat(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/proc/PID/stat is of Linux")
	}
	s, err := procfs.ReadStat(os.Getpid())
	require.NoError(t, err)
	require.Equal(t, os.Getppid(), s.Parent)
	require.False(t, s.Dead())
	require.NotZero(t, s.Start)
	require.NotZero(t, s.ResidentPages)
	_, err = procfs.ReadStat(1 << 30)
	require.ErrorIs(t, err, os.ErrNotExist)
}
