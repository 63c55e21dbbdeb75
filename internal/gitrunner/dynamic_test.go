package gitrunner

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDynamicUsersNeedTheirNumbersInAUserNamespace(t *testing.T) {
	for mapping, want := range map[string]bool{
		"         0          0 4294967295\n":                true,
		"0 100000 65536\n":                                  false, // a container of Docker or Podman
		"0 100000 65536\n1879048192 1879048192 268435456\n": true,
		"0 100000 65536\n1879048192 1879048192 1000\n":      false,
		"0 100000 65536\n1879048193 1879048193 268435456\n": false,
		"0 1000 1\n1 100000 1879048191\n":                   false,
		"1879048192 1879048192 268304384\n":                 true, // just those
		"1879048192 1879048192 268304383\n":                 false,
		"":                                                  false,
		"dynamic\n":                                         false,
	} {
		require.Equal(t, want, mapsDynamicUsers(mapping), mapping)
	}
}

func TestNamespacesHaveDifferentUsersWhateverTheyAreCalled(t *testing.T) {
	d := newDynamicUsers()
	d.remember("first", FirstDynamicUID)
	d.remember("same number", FirstDynamicUID) // on a disk that somebody has changed
	d.remember("no dynamic one", FirstDynamicUID-1)
	d.remember("of a foreign system", LastDynamicUID+1)
	d.remember("last", LastDynamicUID)
	require.EqualValues(t, FirstDynamicUID, d.uid("first"))
	require.EqualValues(t, LastDynamicUID, d.uid("last"))
	seen := map[uint32]bool{FirstDynamicUID: true, LastDynamicUID: true}
	names := []string{"same number", "no dynamic one", "of a foreign system", "ns.97558", "ns.299820"}
	for i := range 1000 {
		names = append(names, fmt.Sprint("ns.", i))
	}
	for _, name := range names {
		uid := d.uid(name)
		require.False(t, seen[uid], name)
		require.True(t, FirstDynamicUID <= uid && uid <= LastDynamicUID)
		require.Equal(t, uid, d.uid(name))
		seen[uid] = true
	}
}
