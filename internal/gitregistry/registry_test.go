package gitregistry_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/stock"
)

func TestRegistryKeepsTheContractOfRegistries(t *testing.T) {
	agenttest.TestRegistry(t, func(t *testing.T) agenttest.RegistrySubject {
		w := newWorld(t)
		return agenttest.RegistrySubject{
			Registry: w.registry,
			Host:     agent.Host{Hostname: "web-1"},
			Want: []agent.Assignment{
				{Namespace: "all"},
				{Namespace: "web", Intervals: map[string]time.Duration{"CPU": 30 * time.Second}},
			},
			Break: func() { w.write("web", "name = \n"); w.push() },
			Mend:  func() { w.write("web", "name = \"web\"\n[intervals]\nCPU = \"30s\"\n"); w.push() },
		}
	})
}

func TestAHostHasTheNamespacesWhoseHostsItMatches(t *testing.T) {
	w := newWorld(t)
	w.write("db", "name = \"db\"\nhosts = [ \"db-[0-9]*\" ]\n")
	w.write("most", "name = \"most\"\nhosts = [ \"!db-*\" ]\n")
	w.push()
	w.has("web-1", "all most web")
	w.has("web-9", "all most")
	w.has("db-1", "all db")
	w.has("db-x", "all")
	w.has("WEB-1", "all most")
	require.Equal(t, strings.TrimSpace(w.repo.Git("rev-parse", "HEAD")), w.details().Commit)
	require.WithinDuration(t, time.Now(), w.details().Date, patience)
	w.leavesNothing()
}

func TestAHeadIsFetchedOnlyWhenItHasMoved(t *testing.T) {
	w := newWorld(t)
	w.repo.Git("repack", "-a", "-d", "--quiet")
	w.has("web-1", "all web")
	// A server that lists the head and has no objects can be asked, and not fetched from.
	require.NoError(t, os.Rename(filepath.Join(w.repo.Dir, ".git/objects/pack"), filepath.Join(w.repo.Dir, ".git/objects/pack-away")))
	w.has("web-2", "all web")
	w.has("db-1", "all")
}

func TestABranchIsNamedBehindTheAddress(t *testing.T) {
	w := newWorld(t)
	w.repo.Git("checkout", "--quiet", "-b", "canary/eu")
	w.write("new", "name = \"new\"\n")
	w.push()
	w.repo.Git("checkout", "--quiet", "main")
	w.has("web-1", "all web")
	w.open(w.root.HTTP("secret"), "#canary/eu", func(c *stock.RegistryConfig) {
		c.Address = strings.Replace(c.Address, "http://", "http://fleet:secret@", 1)
	})
	w.has("web-1", "all new web")
	require.NotContains(t, w.registry.(interface{ String() string }).String(), "secret")
	w.open("file://"+w.root.Dir+"/%s.git", "#none")
	w.fails("the repository has no branch none")
}

func TestAHeadWithAFaultIsRefusedAsAWhole(t *testing.T) {
	w := newWorld(t)
	w.has("web-1", "all web")
	before := w.details()
	w.write("a", "name = \"web\"\n")
	w.write("b", "name = \"b\"\nhost = \"b\"\nhosts = [ \"[\" ]\n")
	w.write("c", "name = \"c\"\n[[port]]\nname = \"sshd\"\nport = 70000\n[[plugin]]\nrepo = \"ops/mysql\"\ninterval = \"soon\"\n")
	w.write("d", "name = \"d\xff\"\n")
	w.write("e", "hosts = []\n")
	w.repo.Git("config", "core.symlinks", "true")
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(w.repo.Dir, "namespaces", "f.toml")))
	w.write("g/h", "name = \"h\"\n")
	require.NoError(t, os.Mkdir(filepath.Join(w.repo.Dir, "namespaces", "i"), 0o755)) // as a clone has it
	w.repo.Git("update-index", "--add", "--cacheinfo", "160000,"+before.Commit+",namespaces/i")
	head := w.push()
	w.fails("the head "+head[:12]+" of the fleet repository is refused, and what was in force stays",
		`namespaces/web.toml:1: name: "web" is also the name of the namespace at namespaces/a.toml:1`,
		"namespaces/b.toml:2: host: ", "namespaces/b.toml:3: hosts: \"[\" is not a pattern",
		"namespaces/c.toml:2: port", "namespaces/c.toml:5: plugin",
		"namespaces/d.toml:1: ", "namespaces/e.toml:1: name: missing", "namespaces/e.toml:1: hosts: is empty", "namespaces/f.toml is a symbolic link, which is not read; write files into namespaces itself",
		"namespaces/g is a directory", "namespaces/i is a submodule")
	require.Equal(t, before, w.details(), "the head in force")
	w.repo.Git("revert", "--no-edit", "HEAD")
	w.has("web-1", "all web")
}

func TestWhatAKilledAgentLeavesIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.has("web-1", "all web")
	own, err := filepath.Glob(filepath.Join(w.dir, ".agent-heads", "*"))
	require.NoError(t, err)
	require.Len(t, own, 1)
	require.NoError(t, os.MkdirAll(filepath.Join(own[0], "1234", "5678", ".git"), 0o755))
	w.has("web-1", "all web")
	w.leavesNothing()
}

func TestRepositoriesAreReadAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	w.repo.Git("branch", "other")
	first := w.registry
	w.open(w.root.Template(), "#other")
	var all sync.WaitGroup
	for _, r := range []agent.Registry{first, w.registry} {
		all.Go(func() {
			for range 20 {
				_, err := r.Assignments(t.Context(), agent.Host{Hostname: "web-1"})
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	w.leavesNothing()
}

func TestASignerOfThePolicyMustHaveSignedTheHead(t *testing.T) {
	w := newWorld(t)
	anna, eve := gittest.NewKey(t, "ed25519"), gittest.NewKey(t, "ed25519")
	signers := filepath.Join(t.TempDir(), "signers")
	require.NoError(t, os.WriteFile(signers, []byte("anna@example.com "+anna.Public()+"\n"), 0o600))
	w.open(w.root.Daemon(), "", func(c *stock.RegistryConfig) { c.Git.Policy.Signers = signers })
	w.fails("policy.signers")

	t.Setenv("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z")
	first := w.repo.SignedCommit(anna)
	w.has("web-1", "all web")
	require.Equal(t, "anna@example.com", w.details().Signer)

	t.Setenv("GIT_COMMITTER_DATE", "2020-01-02T00:00:00Z")
	w.write("web", "name = \"evil\"\n")
	w.repo.SignedCommit(eve)
	w.fails("policy.signers")

	w.write("web", "name = \"good\"\n")
	w.repo.SignedCommit(anna)
	w.has("web-1", "all good")

	w.repo.Git("reset", "--quiet", "--hard", first)
	w.fails("policy.signers", "older")
}

// The clock of whoever commits, which dates the commit.
func TestASignedHeadIsJudgedByItsParentsAndThenByItsDate(t *testing.T) {
	w := newWorld(t)
	anna := gittest.NewKey(t, "ed25519")
	signers := filepath.Join(t.TempDir(), "signers")
	require.NoError(t, os.WriteFile(signers, []byte("anna@example.com "+anna.Public()+"\n"), 0o600))
	w.open(w.root.Daemon(), "", func(c *stock.RegistryConfig) { c.Git.Policy.Signers = signers })
	commit := func(namespace string, years int) {
		t.Setenv("GIT_COMMITTER_DATE", time.Now().AddDate(years, 0, 0).Format(time.RFC3339))
		w.write("web", "name = \""+namespace+"\"\n")
		w.repo.SignedCommit(anna)
	}
	commit("now", 0)
	w.has("web-1", "all now")
	commit("late", -1)
	w.has("web-1", "all late") // its parent is the head in force
	commit("ahead", 1)
	w.has("web-1", "all ahead")
	commit("unseen", 0)
	commit("now", 0)
	w.fails("is older than", "make a new commit, with a later date (GIT_COMMITTER_DATE)")
	commit("later", 2)
	w.has("web-1", "all later")
}
