package hostmetrics_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/hostmetrics"
)

func TestCollectorsKeepTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	self, err := os.Executable()
	require.NoError(t, err)
	assignments := []agent.Assignment{{
		Namespace: "web",
		Ports:     []agent.Port{{Name: "PORT.test", Port: l.Addr().(*net.TCPAddr).Port, Timeout: time.Second}},
		Processes: []agent.Process{{Name: "PROC.test", Path: self}},
	}}
	for _, kind := range []string{"CPU", "MEM", "PROC", "PORT"} {
		t.Run(kind, func(t *testing.T) {
			agenttest.TestCollector(t, func(t *testing.T) agenttest.CollectorSubject {
				for _, k := range hostmetrics.Kinds(hostmetrics.Config{}) {
					if k.Name == kind {
						return agenttest.CollectorSubject{Collector: k.Collector, Assigned: k.Assigned, Assignments: assignments}
					}
				}
				t.Skip("this system has no such kind")
				return agenttest.CollectorSubject{}
			})
		})
	}
}
