//go:build unix

package stock_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/stock"
)

func TestRuleForPluginsThatIsWrongIsRefusedByItsLine(t *testing.T) {
	env := filepath.Join(t.TempDir(), "env")
	require.NoError(t, os.WriteFile(env, []byte("PASSWORD=s3cret\n"), 0o640))
	const head = "agent.registryaddr = \"file:///etc/r.toml\"\noutput.name = \"stdout\"\n[[policy.plugin]]\n"
	for rule, want := range map[string]string{
		`user = "root"`:   "3: policy.plugin.match: missing",
		`match = "infra"`: "4: policy.plugin.match: \"infra\" matches no repository",
		"match = \"a/*\"\nuser = \"no-such-user\"":    "5: policy.plugin.user: there is no user \"no-such-user\" on this system",
		"match = \"a/*\"\nenv = \"file\"":             "5: policy.plugin.env: \"file\" is not an absolute path",
		"match = \"a/*\"\nenv = \"" + env + "\"":      "5: policy.plugin[0].env: " + env + " may be read or changed by others than its owner (mode 0640)",
		"match = \"a/*\"\nenv = \"/nonexistent/env\"": "5: policy.plugin[0].env: ",
		"match = \"a/*\"\nmemory = \"1KiB\"":          "5: policy.plugin.memory: ",
		"match = \"a/*\"\npids = 0":                   "5: policy.plugin.pids: ",
		"match = \"a/*\"\ncpu = 0":                    "5: policy.plugin.cpu: ",
		"match = \"a/*\"\nnetwork = \"no\"":           "5: policy.plugin.network: ",
		"match = \"a/*\"\nmemroy = \"1GiB\"":          "5: policy.plugin.memroy: no such key; is policy.plugin.memory meant?",
	} {
		_, err := readConfig(t, head+rule+"\n")
		require.ErrorContains(t, err, want)
		require.Equal(t, 1, strings.Count(err.Error(), "\n")+1, err)
		require.NotContains(t, err.Error(), "s3cret")
	}
	path := filepath.Join(t.TempDir(), "agent.conf")
	require.NoError(t, os.WriteFile(path, []byte(head+"match = \"a/*\"\nenv = \""+env+"\"\n"), 0o600))
	_, err := stock.ReadConfigValues(path)
	require.NoError(t, err, "who only asks the agent need not be able to read it")
}
