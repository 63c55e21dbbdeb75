package stock_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPolicyThatIsWrongOnReloadLeavesTheOldOneInForce(t *testing.T) {
	h := newHost(t)
	signers := h.write(t, "allowed_signers", "anna "+signerKey+"\n")
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n[[namespace.plugin]]\nrepo = \"evil/miner\"\ninterval = \"10s\"\n")
	strict := fmt.Sprintf("agent.git = \"file://%s/repos/%%s\"\npolicy.signers = %q\npolicy.plugins = [\"infra/*\"]\npolicy.calls = false\n", h.dir, signers)
	h.configure(t, strict)
	service := h.run(t)
	requireStrict := func() {
		t.Helper()
		require.Contains(t, h.get(t, "/plugins/run?ns=web.shop&repo=evil/miner"), "policy.calls")
		require.Contains(t, h.get(t, "/plugins/update?ns=web.shop&repo=evil/miner"), "refused by policy.plugins")
	}
	requireStrict()
	for wrong, want := range map[string]string{
		"policy.plugins = [\"infra\"]\n":                                    "policy.plugins: \"infra\" matches no repository",
		"policy.signers = \"/nonexistent/signers\"\n":                       "policy.signers: /nonexistent/signers does not exist",
		"policy.sigers = \"x\"\n":                                           "policy.sigers: no such key",
		"policy.calls = \"yes\"\n":                                          "policy.calls: ",
		"[[policy.plugin]]\nmatch = \"infra/*\"\nuser = \"no-such-user\"\n": "there is no user",
		"[[policy.plugin]]\nmatch = \"infra/*\"\nstate = \"1KiB\"\n":        "policy.plugin.state: ",
	} {
		h.configure(t, wrong) // without the strict keys: they must not be lost
		require.ErrorContains(t, service.Reload(t.Context()), want)
		requireStrict()
	}
	require.NoError(t, os.WriteFile(signers, nil, 0o600))
	h.configure(t, strict+"output.buffersize = 2000\n")
	require.ErrorContains(t, service.Reload(t.Context()), "lists no signer")
	requireStrict()
}
