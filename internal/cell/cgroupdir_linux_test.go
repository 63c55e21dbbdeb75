package cell

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatAKilledProgramLeftIsRemovedBeforeItsParentKnows(t *testing.T) {
	program := exec.Command("true")
	require.NoError(t, program.Start())
	defer func() { require.NoError(t, program.Wait()) }()
	var dead stat
	require.Eventually(t, func() (died bool) {
		var err error
		dead, err = readStat(program.Process.Pid)
		return err == nil && dead.zombie
	}, 10*time.Second, time.Millisecond)

	base := t.TempDir()
	left := filepath.Join(base, fmt.Sprintf("%s%d-%d-1", blockPrefix, dead.pid, dead.start))
	require.NoError(t, os.Mkdir(left, 0o755))
	self, err := readStat(os.Getpid())
	require.NoError(t, err)
	own := filepath.Join(base, fmt.Sprintf("%s%d-%d-1", blockPrefix, self.pid, self.start))
	require.NoError(t, os.Mkdir(own, 0o755))

	removeStale(base)
	require.DirExists(t, own)
	_, err = os.Stat(filepath.Join(left, "cgroup.kill"))
	require.NoError(t, err, "what runs in it is ended")
}
