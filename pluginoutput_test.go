package agent_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestWhatPythonAndWindowsPrintCostsAtMostAMetric(t *testing.T) {
	output, err := agent.DecodePluginOutput([]byte("\xef\xbb\xbf" +
		`[{"name":"a","value":1}, {"name":"b","value":NaN}, {"name":"c","value":-Infinity}, {"name":"d","value":Infinity}, {"name":"e","value":"is \"NaN, Infinity"}]`))
	require.NoError(t, err)
	require.Equal(t, []agent.Metric{{Name: "a", Value: 1.0}, {Name: "e", Value: `is "NaN, Infinity`}}, output.Metrics)
	require.Equal(t, 3, output.Bad)
	for i, name := range []string{"b", "c", "d"} {
		require.Equal(t, i+1, output.Reasons[i].Index)
		require.Equal(t, name, output.Reasons[i].Name)
		require.ErrorContains(t, output.Reasons[i], "not a finite number")
	}
	_, err = agent.DecodePluginOutput([]byte(`[NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,`))
	require.ErrorContains(t, err, "at byte 2")
}

func TestMetricsThatCannotBeSentTakeNoMemory(t *testing.T) {
	const count = 1 << 18
	for _, element := range []string{"{}", "0", `"a"`, "[[]]", "null"} {
		stdout := []byte("[" + strings.Repeat(element+",", count) + `{"name":"good","value":1}]`)
		before := heap()
		output, err := agent.DecodePluginOutput(stdout)
		taken := heap() - before
		require.NoError(t, err)
		require.Equal(t, count, output.Bad)
		require.Len(t, output.Reasons, 1000)
		require.Equal(t, []agent.Metric{{Name: "good", Value: 1.0}}, output.Metrics)
		require.Less(t, taken, int64(1<<20), element)
	}
}

// heap returns how many bytes are in use.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestEachElementOfAPluginsListIsJudgedByItself(t *testing.T) {
	for text, want := range map[string][]string{
		` [ ] `:                        nil,
		"\r\n[\t{\"name\":\"a\"}\n]\n": {"a"},
		`[{"name":"a","tags":{"k":"],[{"}},{"name":"b\"},"}, "c,[" ,["d","e"],{"name":"f","x":[{},[1,2]]} ]`: {"a", `b"},`, "", "", "f"},
		`[{"name":"a\\"},{"name":"b"}]`: {`a\`, "b"},
	} {
		output, err := agent.DecodePluginOutput([]byte(text))
		require.NoError(t, err, text)
		var names []string
		for i, reason := range output.Reasons {
			require.Equal(t, i, reason.Index)
			names = append(names, reason.Name)
		}
		require.Equal(t, want, names, text)
	}
}

func TestWhatIsNoListIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		``:              "it printed nothing",
		` `:             "it printed nothing",
		`null`:          "null is not a list; print []",
		`{"name":"a"}`:  "the object is not a list",
		`"a"`:           "the string is not a list",
		` 7`:            "the number is not a list",
		`false`:         "the bool is not a list",
		`NaN`:           "at byte 1",
		`[1,2`:          "unexpected end of JSON input",
		`[1] [2]`:       "at byte 5",
		`[1,]`:          "at byte 4",
		`[{"value":x}]`: "at byte 11",
	} {
		_, err := agent.DecodePluginOutput([]byte(text))
		require.ErrorContains(t, err, want, "%s", text)
	}
}

// The agent adds tags to those of a part while the output reads those of the last one.
func TestPartsOfALargeOutputShareNoTags(t *testing.T) {
	output, err := agent.DecodePluginRun(agent.Plugin{Format: "influx"}, []byte(strings.Repeat("m,a=1 value=1\n", 2500)), nil)
	require.NoError(t, err)
	require.Len(t, output.Metrics, 2500)
	for part := range 3 {
		output.Metrics[part*1000].Tags["part"] = strconv.Itoa(part)
	}
	for i, m := range output.Metrics {
		require.Equal(t, strconv.Itoa(i/1000), m.Tags["part"])
	}
}
