package gitregistry_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

func TestADiskThatIsFullInTheFetchLeavesWhatIsInForce(t *testing.T) {
	w := newWorld(t)
	if err := syscall.Mount("fleet", w.dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no small disk can be mounted: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(w.dir, 0) })
	w.has("web-1", "all web")
	before := w.details()
	w.repo.Write("noise", noise(2<<20), 0o644)
	w.push()
	w.fails("fetch the fleet repository: ", "no space is left where git fetches to, "+w.dir)
	require.Equal(t, before, w.details())
	w.repo.Git("revert", "--no-edit", "HEAD")
	w.has("web-1", "all web")
	w.leavesNothing()
}

// Variables that make the test be the agent that is killed.
const (
	victimDir = "GITREGISTRY_TEST_VICTIM_DIR"
	victimGit = "GITREGISTRY_TEST_VICTIM_GIT"
)

func TestAnAgentThatIsKilledInTheFetchLeavesNothing(t *testing.T) {
	if dir := os.Getenv(victimDir); dir != "" {
		config := stock.RegistryConfig{Address: "git+" + os.Getenv(victimGit)}
		config.Git.PluginsDir = dir
		registry, err := stock.Registry(config)
		require.NoError(t, err)
		registry.Assignments(t.Context(), agent.Host{Hostname: "web-1"}) // never returns
		return
	}
	w := newWorld(t)
	w.repo.Write("noise", noise(4<<20), 0o644)
	w.push()
	var quick atomic.Int64 // bytes
	quick.Store(1 << 20)
	template := w.root.Slow(quick.Load)
	w.open(template, "")
	victim := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	victim.Env = append(os.Environ(), victimDir+"="+w.dir, victimGit+"="+strings.Replace(template, "%s", "ops/fleet", 1))
	require.NoError(t, victim.Start())
	fetching := filepath.Join(w.dir, ".agent-heads", "*", "*", "*", ".git", "objects", "pack", "tmp_pack*")
	require.Eventually(t, func() bool {
		packs, err := filepath.Glob(fetching)
		return err == nil && len(packs) > 0
	}, patience, 10*time.Millisecond)
	require.NoError(t, victim.Process.Kill())
	require.ErrorContains(t, victim.Wait(), "killed")

	quick.Store(math.MaxInt64)
	w.has("web-1", "all web")
	w.leavesNothing()
}
