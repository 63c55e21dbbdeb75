package fileregistry_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

func TestRegistryKeepsTheContractOfRegistries(t *testing.T) {
	const content = "[[namespace]]\nname = \"web\"\n[namespace.intervals]\nCPU = \"30s\"\n[[namespace]]\nname = \"db\"\n"
	agenttest.TestRegistry(t, func(t *testing.T) agenttest.RegistrySubject {
		registry, name := open(t, content)
		return agenttest.RegistrySubject{
			Registry: registry,
			Host:     agent.Host{Hostname: "web-1"},
			Want: []agent.Assignment{
				{Namespace: "web", Intervals: map[string]time.Duration{"CPU": 30 * time.Second}},
				{Namespace: "db"},
			},
			Break: func() { require.NoError(t, os.WriteFile(name, []byte("[[namespace"), 0o600)) },
			Mend:  func() { require.NoError(t, os.WriteFile(name, []byte(content), 0o600)) },
		}
	})
}
