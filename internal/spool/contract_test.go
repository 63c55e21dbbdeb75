package spool_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/spool"
)

func TestSpoolKeepsTheContractOfStores(t *testing.T) {
	agenttest.TestStore(t, func(t *testing.T, dir string) agent.Store {
		s, err := spool.Open(spool.Config{Dir: dir})
		require.NoError(t, err)
		return s
	})
}
