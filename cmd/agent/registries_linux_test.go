package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/registrytest"
)

// twoRegistries is a host with a registry over HTTP, which has the namespace web.shop, and
// after it a registry file with the namespace own.
func twoRegistries(t *testing.T) (*host, *registrytest.Server) {
	t.Helper()
	h, registry := planHost(t, "")
	content, err := os.ReadFile(h.config)
	require.NoError(t, err)
	both := fmt.Sprintf("[ %q, \"file://%s/own.toml\" ]", registry.URL(), h.dir)
	h.write(t, "agent.conf", strings.Replace(string(content), fmt.Sprintf("%q", registry.URL()), both, 1))
	h.write(t, "own.toml", "[[namespace]]\nname = \"own\"\n")
	return h, registry
}

func TestAHostAddsARegistryFileToItsRegistry(t *testing.T) {
	h, registry := twoRegistries(t)
	local := "file://" + h.dir + "/own.toml"
	r := execute(t, "check", "--connect", "-f", h.config)
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "registry "+registry.URL()+" answers: the host h1 is in the namespace web.shop\n"+
		"registry "+local+" answers: the host h1 is in the namespace own\n")
	require.Equal(t, 2, execute(t, "plan", "-f", h.config).code)

	h.start(t)
	h.eventually(t, func(s agent.Status) bool { return len(s.Namespaces) == 2 })
	require.Equal(t, 0, execute(t, "plan", "-f", h.config).code)

	registry.Close()
	h.write(t, "own.toml", "[[namespace]]\nname = \"own\"\n[[namespace]]\nname = \"more\"\n")
	require.Equal(t, 1, execute(t, "update", "-f", h.config).code)
	s := h.status(t)
	require.Equal(t, []string{"more", "own", "web.shop"}, s.Namespaces)
	require.Equal(t, []string{registry.URL(), local}, []string{s.Registry.Members[0].Name, s.Registry.Members[1].Name})
	require.NotEmpty(t, s.Registry.Members[0].Error)
	require.Empty(t, s.Registry.Members[1].Error)
	text := execute(t, "status", "-f", h.config).stdout
	require.Contains(t, text, "registry    one of several fails; what it assigned before is in force\n")
	require.Regexp(t, `\n {12}`+registry.URL()+` fails; it answered \d+m?s ago; its namespaces: 1\n`, text)
	require.Regexp(t, `\n {12}`+local+` answered \d+m?s ago; its namespaces: 2\n`, text)
	require.Contains(t, execute(t, "explain", "-f", h.config, "more").stdout, "more is a namespace of this host (h1), by "+local+".")
	require.Contains(t, execute(t, "plan", "-f", h.config).stderr, "the registry's answer is not complete: "+registry.URL())
}

func TestAChangedRegistryFileIsInForceWithinSeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	h.start(t)
	h.eventually(t, func(s agent.Status) bool { return s.Registry.InForce })
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n[[namespace]]\nname = \"new\"\n")
	h.eventually(t, func(s agent.Status) bool { return len(s.Namespaces) == 2 })
}

func TestCheckReadsEachRegistryFile(t *testing.T) {
	h, _ := twoRegistries(t)
	h.write(t, "own.toml", "[[namespace]]\nname = \"own\"\nintervall = 5\n")
	r := execute(t, "check", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, filepath.Join(h.dir, "own.toml")+":3: namespace.intervall: no such key")
}
