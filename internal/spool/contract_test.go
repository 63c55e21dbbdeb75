package spool_test

import (
	"testing"

	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/spool"
)

func TestSpoolKeepsTheContractOfOutputs(t *testing.T) {
	agenttest.TestOutput(t, func(t *testing.T) agenttest.OutputSubject {
		inner := agenttest.NewOutput()
		return agenttest.OutputSubject{
			Output:   open(t, spool.Config{Dir: t.TempDir()}, inner),
			Received: func(testing.TB) []agenttest.Point { return inner.Points() },
			Break:    func() { inner.Fail(errAway) },
			Hang:     inner.Hang,
			Mend:     inner.Heal,
		}
	})
}
