//go:build linux

package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shortPlan is a plan of some seconds. CHAOS_SEED repeats one.
func shortPlan(t *testing.T) plan {
	t.Helper()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	seed := rand.Uint64()
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("CHAOS_SEED=%d", seed)
	return plan{seed: seed, kills: 4, limit: 5 * time.Second, posters: 4}
}

func TestNoAcknowledgedPointIsLostHoweverOftenTheAgentIsKilled(t *testing.T) {
	report, err := run(t.Context(), shortPlan(t))
	t.Logf("\n%v", report)
	require.NoError(t, err)
	require.NotZero(t, report.kills)
	require.NotZero(t, report.tally.acknowledged)
	require.Zero(t, report.tally.missing)
}

func TestWhatIsLostToADamagedDiskIsCounted(t *testing.T) {
	p := shortPlan(t)
	p.damage = 1
	report, err := run(t.Context(), p)
	t.Logf("\n%v", report)
	require.NoError(t, err)
	require.NotZero(t, report.tally.acknowledged)
}

func TestPointsTellsWhatIsMissing(t *testing.T) {
	var p points
	first := p.next(3)
	p.acknowledge(first, 2)
	p.arrive([]byte("RUN.chaos,host=h value=1 1700000000\nRUN.chaos,host=h value=2 1700000000\nRUN.chaos,host=h value=2 1700000000\n"))
	require.Equal(t, tally{posted: 3, acknowledged: 2, arrived: 2, duplicates: 1, missing: 1}, p.tally())

	p.arrive([]byte("RUN.chaos,host=h value=7 1700000000\n"))
	require.Equal(t, "RUN.chaos,host=h value=7 1700000000\n", p.tally().strange)
}
