package stock_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gittest"
)

// registries makes the host's config name these registries.
func (h *host) registries(t *testing.T, addresses ...string) {
	t.Helper()
	h.configure(t, "")
	quoted := `"` + strings.Join(addresses, `", "`) + `"`
	config := strings.Replace(h.read(t, "agent.conf"), `"file://`+h.dir+`/registry.toml"`, "[ "+quoted+" ]", 1)
	h.write(t, "agent.conf", config)
}

func TestAReloadAddsAndRemovesARegistryAndLosesNothing(t *testing.T) {
	h := newHost(t)
	repo := gittest.NewRoot(t).Repo("ops/fleet")
	repo.Write("namespaces/all.toml", "name = \"all\"\n[[port]]\nname = \"sshd\"\nport = 22\n[[port]]\nname = \"http\"\nport = 80\n", 0o644)
	repo.Write("namespaces/web.toml", "name = \"web\"\n", 0o644)
	commit := repo.Commit()
	fleet := "git+file://" + repo.Dir
	local := "file://" + h.write(t, "local.toml", "[[namespace]]\nname = \"local\"\n")
	other := "file://" + h.write(t, "other.toml", "[[namespace]]\nname = \"other\"\n")

	h.registries(t, fleet, local)
	service := h.run(t)
	require.Equal(t, []string{"all", "local", "web"}, h.status(t).Namespaces)
	for _, step := range []struct {
		registries []string
		namespaces string
	}{
		{[]string{fleet, local, other}, "all local other web"},
		{[]string{local, other}, "local other"},
		{[]string{other}, "other"},
		{[]string{other, fleet}, "all other web"},
	} {
		h.post(t)
		h.registries(t, step.registries...)
		require.NoError(t, service.Reload(t.Context()))
		require.Eventually(t, func() bool {
			return slices.Equal(strings.Fields(step.namespaces), h.status(t).Namespaces)
		}, 20*time.Second, 10*time.Millisecond, "%s: %+v", step.namespaces, h.status(t).Registry)
	}
	require.Equal(t, commit, h.status(t).Registry.Members[1].Commit)
	require.Equal(t, agent.Account{Accepted: 4, Delivered: 4}, h.status(t).Accounts["posted"])
	require.Equal(t, http.StatusOK, h.update(t))
	require.Equal(t, 4, h.restarts(t), "the agent is restarted in its process")
}
