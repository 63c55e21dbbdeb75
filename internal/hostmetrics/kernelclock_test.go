//go:build linux

package hostmetrics

import (
	"testing"

	"github.com/lodastack/agent"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheKernelSaysHowWrongItsClockMayBe(t *testing.T) {
	synced := agent.Metric{Name: "time.kernel.synced", Value: 1.0}
	errors := []agent.Metric{synced, {Name: "time.kernel.error.max", Value: 0.25}, {Name: "time.kernel.error.estimated", Value: 0.0005}}
	for name, c := range map[string]struct {
		state unix.Timex
		want  []agent.Metric
	}{
		"nanoseconds": {unix.Timex{Maxerror: 250_000, Esterror: 500, Offset: -2_000_000, Status: unix.STA_NANO},
			append(errors[:3:3], agent.Metric{Name: "time.kernel.offset", Value: -0.002})},
		"microseconds, and the hardware clock is left alone": {unix.Timex{Maxerror: 250_000, Esterror: 500, Offset: 3000, Status: unix.STA_UNSYNC},
			append(errors[:3:3], agent.Metric{Name: "time.kernel.offset", Value: 0.003})},
		"nobody corrects it": {unix.Timex{Maxerror: 16_000_000, Esterror: 16_000_000}, []agent.Metric{{Name: "time.kernel.synced", Value: 0.0}}},
	} {
		var p points
		p.addTimex(c.state)
		require.Equal(t, c.want, []agent.Metric(p), name)
	}
}

func TestTheClockOfThisHostIsRead(t *testing.T) {
	var state unix.Timex
	if _, err := unix.Adjtimex(&state); err != nil {
		t.Skipf("the kernel says nothing of its clock: %v", err)
	}
	var p points
	addKernelClock(&p)
	require.NotEmpty(t, p)
}

func TestTheKernelsClockIsMeasuredWithoutAnNTPServer(t *testing.T) {
	c := clock{lookup: resolves(), servers: []string{"nowhere.test"}, kernel: func(p *points) { p.addTimex(unix.Timex{}) }}
	metrics, err := c.Collect(t.Context())
	require.ErrorContains(t, err, "nowhere.test")
	require.Len(t, metrics, 4)

	c.noNTP = true
	metrics, err = c.Collect(t.Context())
	require.NoError(t, err, "no server is asked")
	require.Len(t, metrics, 4)
}
