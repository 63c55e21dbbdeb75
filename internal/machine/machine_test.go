package machine_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/machine"
)

func TestMachinesDifferWhereBothAreKnownAndNotTheSame(t *testing.T) {
	known := machine.Identity{Serial: "s1", ID: "i1"}
	for name, c := range map[string]struct {
		other  machine.Identity
		differ bool
	}{
		"the same":                {known, false},
		"another serial":          {machine.Identity{Serial: "s2", ID: "i1"}, true},
		"another installation":    {machine.Identity{Serial: "s1", ID: "i2"}, true},
		"both":                    {machine.Identity{Serial: "s2", ID: "i2"}, true},
		"no serial":               {machine.Identity{ID: "i1"}, false},
		"no serial, another id":   {machine.Identity{ID: "i2"}, true},
		"no id":                   {machine.Identity{Serial: "s1"}, false},
		"no id, another serial":   {machine.Identity{Serial: "s2"}, true},
		"nothing is known of one": {machine.Identity{}, false},
	} {
		require.Equal(t, c.differ, known.Differs(c.other), name)
		require.Equal(t, c.differ, c.other.Differs(known), name)
	}
}

func TestAddressesAreSortedAndOthersCanReachThem(t *testing.T) {
	addresses, err := machine.Addresses()
	require.NoError(t, err)
	require.NotNil(t, addresses)
	require.True(t, slices.IsSorted(addresses))
	require.Len(t, slices.Compact(slices.Clone(addresses)), len(addresses), "each once")
	for _, text := range addresses {
		address, err := netip.ParseAddr(text)
		require.NoError(t, err)
		require.True(t, address.IsGlobalUnicast(), text)
	}
}

func TestIdentityStaysTheSame(t *testing.T) {
	require.Equal(t, machine.Read(), machine.Read())
	require.Equal(t, machine.Serial(), machine.Read().Serial)
}
