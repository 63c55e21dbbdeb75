package stock_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/stock"
)

// fleetHost returns a host whose registry is a repository with one namespace.
func fleetHost(t *testing.T) (*host, *gittest.Repo) {
	t.Helper()
	h := newHost(t)
	repo := gittest.NewRoot(t).Repo("ops/fleet")
	repo.Write("namespaces/web.toml", "name = \"web.shop\"\nhosts = [ \"h1\" ]\n", 0o644)
	repo.Commit()
	config := strings.Replace(h.read(t, "agent.conf"), "file://"+h.dir+"/registry.toml", "git+file://"+repo.Dir, 1)
	h.write(t, "agent.conf", config)
	return h, repo
}

// update asks the agent to ask its registry.
func (h *host) update(t *testing.T) int {
	t.Helper()
	response, err := http.Post("http://"+h.listen+"/update", "", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func TestAFleetRepositorySaysWhatAHostCollects(t *testing.T) {
	h, repo := fleetHost(t)
	h.run(t)
	commit := strings.TrimSpace(repo.Git("rev-parse", "HEAD"))
	require.Equal(t, []string{"web.shop"}, h.status(t).Namespaces)
	require.Equal(t, commit, h.status(t).Registry.Commit)
	require.Contains(t, h.get(t, "/metrics"), `lodastack_agent_fleet_info{registry="",commit="`+commit+`",signer=""} 1`)

	repo.Write("namespaces/new.toml", "name = \"new\"\nhost = \"h1\"\n", 0o644)
	repo.Commit()
	require.Equal(t, http.StatusBadGateway, h.update(t))
	status := h.status(t)
	require.Equal(t, []string{"web.shop"}, status.Namespaces, "what was in force stays")
	require.Contains(t, status.Registry.Error, "namespaces/new.toml:2: host: ")
	require.Equal(t, commit, status.Registry.Commit)

	repo.Write("namespaces/new.toml", "name = \"new\"\nhosts = [ \"h*\" ]\n", 0o644)
	repo.Commit()
	require.Equal(t, http.StatusOK, h.update(t))
	require.Equal(t, []string{"new", "web.shop"}, h.status(t).Namespaces)
}

func TestAHostStartsWithTheLastHeadWhileTheRepositoryIsAway(t *testing.T) {
	h, repo := fleetHost(t)
	t.Run("before", func(t *testing.T) { h.run(t) })
	require.NoError(t, os.Rename(repo.Dir, repo.Dir+"-away"))
	h.run(t)
	require.Equal(t, []string{"web.shop"}, h.status(t).Namespaces)
	require.Eventually(t, func() bool { return h.status(t).Registry.Error != "" }, 20*time.Second, 10*time.Millisecond)
}

func TestTheAddressOfAFleetRepositoryIsChecked(t *testing.T) {
	for address, says := range map[string]string{
		"git+ftp://git.example.com/fleet":            "is not the address of a repository",
		"git+https://git.example.com/fleet#a..b":     "is not a name of a git branch",
		"git+https://git.example.com/../fleet":       `must not contain ".."`,
		"git+ssh://git:secret@git.example.com/fleet": "takes no password",
	} {
		_, err := stock.Registry(stock.RegistryConfig{Address: address})
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "secret")
	}
}
