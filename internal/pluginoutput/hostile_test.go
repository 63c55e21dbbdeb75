package pluginoutput_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/lineproto"
	"github.com/lodastack/agent/internal/pluginoutput"
)

func TestAHistogramOfManyBucketsIsReadOneAtATime(t *testing.T) {
	var text strings.Builder
	text.WriteString("# TYPE h histogram\n")
	const buckets = 200_000 // as 8 MiB hold
	for i := range buckets {
		fmt.Fprintf(&text, "h_bucket{le=\"%d\"} %d\n", i, i)
	}
	stdout := []byte(text.String())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	points, err := pluginoutput.Print{Format: pluginoutput.Prometheus, Stdout: stdout}.Points()
	require.NoError(t, err)
	for point, err := range points {
		require.NoError(t, err)
		if n == buckets/2 {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
		n++
		_ = point
	}
	require.Equal(t, buckets, n)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(len(stdout)+1<<20), "nothing is kept of what was read")
}

func TestASeriesThatIsThereTwiceIsReadTwice(t *testing.T) {
	points, errs := read(pluginoutput.Prometheus, "a{b=\"c\"} 1\na{b=\"c\"} 2\n# TYPE a gauge\n# TYPE a counter\na{b=\"c\"} 3\n", 0)
	require.Empty(t, errs)
	tags := map[string]string{"b": "c"}
	require.Equal(t, []lineproto.Point{{Name: "a", Tags: tags, Value: 1.0}, {Name: "a", Tags: tags, Value: 2.0}, {Name: "a", Tags: tags, Value: 3.0}}, points)
}

func TestBinaryOutputIsNoMetric(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	binary := make([]byte, 256<<10)
	for i := range binary {
		binary[i] = byte(random.Uint32())
	}
	for _, format := range []pluginoutput.Format{pluginoutput.Influx, pluginoutput.Prometheus, pluginoutput.Nagios} {
		points, errs := read(format, "ok|"+string(binary), 0)
		require.NotEmpty(t, errs, format)
		require.Less(t, len(points), len(errs)/10+2, format)
		for _, err := range errs {
			require.Less(t, len(err), 1<<10, format)
		}
	}
	_, err := pluginoutput.Print{Stdout: binary}.Points()
	require.Error(t, err)
	require.Less(t, len(err.Error()), 1<<10)
}
