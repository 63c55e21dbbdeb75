package gitregistry_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/stock"
)

func TestARestartDoesNotFetchTheSameHeadAgain(t *testing.T) {
	w := newWorld(t)
	w.repo.Git("repack", "-a", "-d", "--quiet")
	w.has("web-1", "all web")
	before := w.details()
	// A server that lists the head and has no objects can be asked, and not fetched from.
	packs := filepath.Join(w.repo.Dir, ".git/objects/pack")
	require.NoError(t, os.Rename(packs, packs+"-away"))
	w.restart()
	w.has("web-1", "all web")
	w.has("db-1", "all")
	require.Equal(t, before, w.details())
	require.NoError(t, os.Rename(packs+"-away", packs))
	w.write("new", "name = \"new\"\n")
	w.push()
	w.restart()
	w.has("web-1", "all new web")
}

func TestTheHeadInForceIsShownAfterARestartWithoutTheRepository(t *testing.T) {
	w := newWorld(t)
	w.has("web-1", "all web")
	before := w.details()
	require.NoError(t, os.Rename(w.repo.Dir, w.repo.Dir+"-away"))
	w.restart()
	w.fails("ask the fleet repository for its head")
	require.Equal(t, before, w.details())
}

func TestAHeadThatWasRefusedIsRefusedAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.write("web", "name = \n")
	w.push()
	w.fails("namespaces/web.toml:1: not TOML")
	w.restart()
	w.fails("namespaces/web.toml:1: not TOML")
}

func TestWhatWasKeptAndIsDamagedIsFetchedAgain(t *testing.T) {
	w := newWorld(t)
	w.has("web-1", "all web")
	kept, err := filepath.Glob(filepath.Join(w.data, "*.json"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.NoError(t, os.WriteFile(kept[0], []byte("{"), 0o600))
	w.restart()
	w.has("web-1", "all web")
}

// An attacker who controls the git host waits for a restart.
func TestAnOlderSignedHeadIsRefusedAfterARestart(t *testing.T) {
	w := newWorld(t)
	anna := gittest.NewKey(t, "ed25519")
	signers := filepath.Join(t.TempDir(), "signers")
	allow := func(key *gittest.Key) {
		require.NoError(t, os.WriteFile(signers, []byte("a@example.com "+key.Public()+"\n"), 0o600))
	}
	allow(anna)
	w.open(w.root.Daemon(), "", func(c *stock.RegistryConfig) { c.Git.Policy.Signers = signers })
	t.Setenv("GIT_COMMITTER_DATE", time.Now().Add(-time.Hour).Format(time.RFC3339))
	old := w.repo.SignedCommit(anna)
	t.Setenv("GIT_COMMITTER_DATE", time.Now().Format(time.RFC3339))
	w.write("web", "name = \"new\"\n")
	w.repo.SignedCommit(anna)
	w.has("web-1", "all new")

	w.repo.Git("reset", "--quiet", "--hard", old)
	w.fails("policy.signers", "is older")
	w.restart()
	w.fails("policy.signers", "is older")

	bert := gittest.NewKey(t, "ed25519")
	allow(bert)
	w.restart()
	w.fails("policy.signers", "let one of the signers sign the commit")
	require.Empty(t, w.details(), "nobody who may sign now has signed what was kept")
	w.write("web", "name = \"bert\"\n")
	w.repo.SignedCommit(bert)
	w.has("web-1", "all bert")
}
