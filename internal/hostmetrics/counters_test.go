package hostmetrics

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestRatesOfDevicesNeedTwoReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deviceRates{tag: "device"}
		reading := func(devices map[string][]counter) []agent.Metric {
			time.Sleep(2 * time.Second)
			var p points
			d.add(&p, devices)
			return p
		}
		require.Empty(t, reading(map[string][]counter{"a": {{"in", 10, 8}, {"out", 5, 1}}}))
		require.Equal(t, []agent.Metric{{Name: "in", Value: 40.0, Tags: map[string]string{"device": "a"}}},
			reading(map[string][]counter{"a": {{"in", 20, 8}, {"out", 4, 1}}, "b": {{"in", 7, 8}}}),
			"a counter that went backwards has no rate, and a new device none yet")
		require.Empty(t, reading(map[string][]counter{"b": {}}))
		require.Empty(t, reading(map[string][]counter{"b": {{"in", 9, 8}}}), "it was gone for a reading")
	})
}

func TestSharesOfTheProcessors(t *testing.T) {
	state := func(idle, user, other float64) []cpuState {
		return []cpuState{{"cpu.idle", idle}, {"cpu.user", user}, {"", other}}
	}
	for name, c := range map[string]struct {
		before, now []cpuState
		want        []agent.Metric
	}{
		"first":     {nil, state(1, 1, 1), nil},
		"no time":   {state(1, 1, 1), state(1, 1, 1), nil},
		"backwards": {state(5, 1, 1), state(4, 9, 1), nil},
		"shares":    {state(1, 1, 1), state(7, 3, 3), []agent.Metric{{Name: "cpu.idle", Value: 60.0}, {Name: "cpu.user", Value: 20.0}}},
	} {
		var p points
		p.addCPUShares(c.before, c.now, nil)
		require.Equal(t, c.want, []agent.Metric(p), name)
	}
}

func TestLoopbackIsNotMeasuredUnlessItIsAskedFor(t *testing.T) {
	for name, wanted := range map[string]bool{
		"lo": false, "lo0": false, "Loopback Pseudo-Interface 1": false, "en0": true, "Ethernet": true, "Local Area Connection": true,
	} {
		require.Equal(t, wanted, wantedInterface(name, nil), name)
	}
	require.True(t, wantedInterface("lo0", []string{"en", "lo"}))
	require.False(t, wantedInterface("en0", []string{"eth"}))
}
