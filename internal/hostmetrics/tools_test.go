//go:build linux

package hostmetrics_test

import (
	"math"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tool runs a program of the system, and skips the test if it is missing.
func tool(t *testing.T, name string, args ...string) func() string {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return func() string {
		output, err := exec.Command(path, args...).Output()
		require.NoError(t, err)
		return string(output)
	}
}

// agrees compares a tool's figures with ours of the same moment. Other programs use the host,
// too: at one of several moments the difference must be small enough.
func agrees(t *testing.T, kind string, says func() map[string]float64, allowed float64) {
	kinds := hostmetrics.Kinds(hostmetrics.Config{})
	ours := func() map[string]float64 {
		metrics, err := collector(t, kinds, kind).Collect(t.Context())
		require.NoError(t, err)
		values := make(map[string]float64)
		for _, m := range metrics {
			values[m.Name+m.Tags["mount"]] = m.Value.(float64)
		}
		return values
	}
	ours()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		theirs, mine := says(), ours()
		require.NotEmpty(c, theirs)
		for name, value := range theirs {
			require.Contains(c, mine, name)
			assert.LessOrEqual(c, math.Abs(value-mine[name]), allowed, "%s: the tool says %v, we say %v", name, value, mine[name])
		}
	}, 30*time.Second, 50*time.Millisecond)
}

func number(t *testing.T, s string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	require.NoError(t, err)
	return f
}

func TestMemoryIsWhatFreeSays(t *testing.T) {
	free := tool(t, "free", "-k")
	agrees(t, "MEM", func() map[string]float64 {
		column := strings.Fields(strings.Split(free(), "\n")[1])
		return map[string]float64{
			"mem.total": number(t, column[1]) / 1024,
			"mem.free":  number(t, column[6]) / 1024,
		}
	}, 4)
}

func TestSpaceIsWhatDfSays(t *testing.T) {
	df := tool(t, "df", "-k", "--output=size,used,avail,pcent", "/")
	agrees(t, "FS", func() map[string]float64 {
		column := strings.Fields(strings.Split(df(), "\n")[1])
		return map[string]float64{
			"fs.space.total/": number(t, column[0]) / 1024,
			"fs.space.used/":  number(t, column[1]) / 1024,
			"fs.space.free/":  number(t, column[2]) / 1024,
			// df rounds up.
			"fs.space.used.percent/": number(t, strings.TrimSuffix(column[3], "%")) - 0.5,
		}
	}, 8)
}

func TestProcessesAreWhatPsSays(t *testing.T) {
	ps := tool(t, "ps", "-eo", "stat=")
	agrees(t, "CPU", func() map[string]float64 {
		states := strings.Fields(ps())
		return map[string]float64{"ps.total.num": float64(len(states) - 1)} // less ps itself
	}, 2)
}

func TestSocketsAreWhatSsSays(t *testing.T) {
	ss := tool(t, "ss", "-s")
	table := regexp.MustCompile(`(?m)^TCP\s+(\d+)\s`)
	timewait := regexp.MustCompile(`timewait (\d+)`)
	agrees(t, "NET", func() map[string]float64 {
		said := ss()
		return map[string]float64{
			"net.tcp.inuse":    number(t, table.FindStringSubmatch(said)[1]),
			"net.tcp.timewait": number(t, timewait.FindStringSubmatch(said)[1]),
		}
	}, 5)
}
