package agent_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestWhatPythonAndWindowsPrintCostsAtMostAMetric(t *testing.T) {
	good, bad, err := agent.DecodePluginOutput([]byte("\xef\xbb\xbf" +
		`[{"name":"a","value":1}, {"name":"b","value":NaN}, {"name":"c","value":-Infinity}, {"name":"d","value":Infinity}, {"name":"e","value":"is \"NaN, Infinity"}]`))
	require.NoError(t, err)
	require.Equal(t, []agent.Metric{{Name: "a", Value: 1.0}, {Name: "e", Value: `is "NaN, Infinity`}}, good)
	require.Len(t, bad, 3)
	for i, name := range []string{"b", "c", "d"} {
		require.Equal(t, i+1, bad[i].Index)
		require.Equal(t, name, bad[i].Name)
		require.ErrorContains(t, bad[i], "no finite number")
	}
	_, _, err = agent.DecodePluginOutput([]byte(`[NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,`))
	require.ErrorContains(t, err, "at byte 2")
}

func TestMetricsThatCannotBeSentTakeNoMemory(t *testing.T) {
	const count = 1 << 18
	var before, after runtime.MemStats
	stdout := []byte("[" + strings.Repeat("{},", count-1) + `{"name":"good","value":1}]`)
	runtime.GC()
	runtime.ReadMemStats(&before)
	good, bad, err := agent.DecodePluginOutput(stdout)
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Len(t, bad, count-1)
	require.Equal(t, []agent.Metric{{Name: "good", Value: 1.0}}, good)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20))
}
