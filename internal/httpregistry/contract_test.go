package httpregistry_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/registrytest"
)

func TestRegistryKeepsTheContractOfRegistries(t *testing.T) {
	agenttest.TestRegistry(t, func(t *testing.T) agenttest.RegistrySubject {
		server, registry := start(t, nil)
		server.SetNamespace("all.loda", "id-all")
		server.SetNamespace("web.shop", "id-web",
			registrytest.Item{"measurement_type": "CPU", "name": "cpu.idle", "interval": "30"},
			registrytest.Item{"measurement_type": "PLUGIN", "name": "mysql", "git": "XXX/mysql", "interval": "60"})
		return agenttest.RegistrySubject{
			Registry: registry,
			Host:     host(),
			Want: []agent.Assignment{
				{Namespace: "all.loda", ID: "id-all"},
				{
					Namespace: "web.shop", ID: "id-web", Intervals: map[string]time.Duration{"CPU": 30 * time.Second},
					Plugins: []agent.Plugin{{Namespace: "web.shop", Name: "PLUGIN.mysql", Repo: "XXX/mysql", Interval: time.Minute}},
				},
			},
			Break:          func() { server.SetFault(registrytest.HTTPStatus(http.StatusInternalServerError)) },
			Hang:           func() { server.SetFault(registrytest.Hang()) },
			Mend:           func() { server.SetFault(nil) },
			BreakNamespace: func(ns string) { server.SetItemsFault(ns, registrytest.HalfJSON()) },
		}
	})
}
