//go:build linux

package hostmetrics_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// firstCollection collects once, while the host changes.
func firstCollection(t *testing.T, config hostmetrics.Config, w *world, kind string) []string {
	config.Root = w.Root
	go func() {
		time.Sleep(250 * time.Millisecond)
		w.show("after")
	}()
	metrics, err := collector(t, hostmetrics.Kinds(config), kind).Collect(t.Context())
	require.NoError(t, err)
	return lines(metrics)
}

func TestTheFirstCollectionHasRates(t *testing.T) {
	for kind, want := range map[string]string{
		"CPU":  `cpu.idle.core{core="0"} 82`,
		"DISK": `disk.io.read_requests{device="sda"} 100`, // 50 in half a second
		"NET":  `net.in.errors{interface="eno1"} 40`,      // 20 in half a second
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				require.Contains(t, firstCollection(t, hostmetrics.Config{}, newWorld(t, "server"), kind), want)
			})
		})
	}
}

func TestAFirstCollectionThatIsCutShortHasNoRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "server")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		metrics, err := collector(t, hostmetrics.Kinds(hostmetrics.Config{Root: w.Root}), "NET").Collect(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{`net.speed{interface="eno1"} 1000`, "net.sockets.used 300", "net.tcp.timewait 7", "net.tcp.inuse 49"}, lines(metrics))
	})
}

func TestInterfacesAreMeasuredByTheirPrefixes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := hostmetrics.Config{InterfacePrefixes: []string{"bond", "veth"}}
		got := firstCollection(t, config, newWorld(t, "server"), "NET")
		require.Contains(t, got, `net.in{interface="bond0"} 2e+09`) // 125 MB in half a second
		require.Contains(t, got, `net.in{interface="veth1a2b3c"} 0`)
		for _, l := range got {
			require.NotContains(t, l, "eno")
			require.NotContains(t, l, `"lo"`)
		}
	})
}

// An interface or disk that was away may come back with other counters.
func TestADeviceThatComesBackHasNoRateAtOnce(t *testing.T) {
	for kind, device := range map[string]string{"DISK": "sda", "NET": "eth0"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "linux-2.6.32")
				k := collector(t, hostmetrics.Kinds(hostmetrics.Config{Root: w.Root}), kind)
				rates := func() (n int) {
					time.Sleep(time.Second)
					metrics, err := k.Collect(t.Context())
					require.NoError(t, err)
					for _, m := range metrics {
						if m.Tags["device"]+m.Tags["interface"] == device && m.Name != "net.speed" {
							n++
						}
					}
					return n
				}
				require.Equal(t, 6, rates())
				w.show("gone")
				require.Zero(t, rates())
				w.show("before")
				require.Zero(t, rates())
				require.Equal(t, 6, rates())
			})
		})
	}
}
