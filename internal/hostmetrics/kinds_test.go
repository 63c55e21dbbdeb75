package hostmetrics_test

import (
	"testing"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

func kindsOf(c hostmetrics.Config) (names []string) {
	for _, k := range hostmetrics.Kinds(c) {
		names = append(names, k.Name)
	}
	return names
}

func TestDisabledKindsAreNotCollected(t *testing.T) {
	all := kindsOf(hostmetrics.Config{})
	require.Contains(t, all, "TIME")
	require.Subset(t, hostmetrics.KindNames(), all)
	left := kindsOf(hostmetrics.Config{Disable: []string{"TIME", "KERNEL"}})
	require.NotContains(t, left, "TIME")
	require.NotContains(t, left, "KERNEL")
	require.Contains(t, left, "CPU")
	require.Empty(t, kindsOf(hostmetrics.Config{Disable: hostmetrics.KindNames()}))
}
