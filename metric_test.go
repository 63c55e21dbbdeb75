package agent_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// normalised returns what becomes of a posted metric.
func normalised(t *testing.T, m agent.Metric) (agent.Metric, error) {
	var got agent.Metric
	var err error
	inBubble(t, func(t *testing.T, w *world) {
		if err = w.Post(t.Context(), "web", []agent.Metric{m}); err == nil {
			got = w.output.Points()[0].Metric
		}
	})
	return got, err
}

func TestValuesBecomeFloatsBoolsAndStrings(t *testing.T) {
	type celsius float32
	for name, test := range map[string]struct{ value, want any }{
		"float":           {1.5, 1.5},
		"float32":         {float32(0.5), 0.5},
		"int":             {-3, -3.0},
		"int8":            {int8(3), 3.0},
		"largest uint":    {uint64(math.MaxUint64), float64(math.MaxUint64)},
		"named type":      {celsius(21.5), 21.5},
		"duration":        {time.Second, 1e9},
		"JSON number":     {json.Number("1e3"), 1000.0},
		"bool":            {true, true},
		"string":          {"up", "up"},
		"empty string":    {"", ""},
		"digits":          {"12", "12"},
		"broken encoding": {"a\xffb", "a\uFFFDb"},
		"named string":    {agent.RunOK, "ok"},
		"longest string":  {strings.Repeat("x", 65535), strings.Repeat("x", 65535)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := normalised(t, agent.Metric{Name: "m", Value: test.value})
			require.NoError(t, err)
			require.Equal(t, test.want, got.Value)
		})
	}
}

func TestValuesThatCannotBeStoredAreRefused(t *testing.T) {
	for name, value := range map[string]any{
		"NaN":              math.NaN(),
		"infinity":         math.Inf(1),
		"- infinity":       float32(math.Inf(-1)),
		"nothing":          nil,
		"list":             []int{1},
		"object":           map[string]any{"a": 1},
		"pointer":          new(1.5),
		"too large a JSON": json.Number("1e999"),
		"no number":        json.Number("one"),
		"long string":      strings.Repeat("x", 65536),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := normalised(t, agent.Metric{Name: "m", Value: value})
			var bad *agent.MetricError
			require.ErrorAs(t, err, &bad)
			require.Error(t, agent.Metric{Name: "m", Value: value}.Validate())
		})
	}
}

func TestNamesHaveOnlyLettersDigitsAndThreeSigns(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "A.b_c-9": true, "..": true, "0": true,
		"": false, " ": false, "a b": false, "a,b": false, "ä": false, "a\n": false, "a/b": false, "a=b": false, `a"`: false,
	} {
		got, err := normalised(t, agent.Metric{Name: name, Value: 1})
		require.Equal(t, good, err == nil, "%q: %v", name, err)
		require.Equal(t, good, agent.Metric{Name: name, Value: 1}.Validate() == nil, "%q", name)
		if good {
			require.Equal(t, "RUN."+name, got.Name)
		}
	}
}

func TestHostTagOfAMetricStays(t *testing.T) {
	got, err := normalised(t, agent.Metric{Name: "m", Value: 1, Tags: map[string]string{"host": "switch-7"}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"host": "switch-7"}, got.Tags)
}

func TestTagsWithAMeaningOfTheirOwnAreRefusedByName(t *testing.T) {
	for _, key := range []string{"time", "_field", "_measurement", " time "} {
		bad := agent.Metric{Name: "m", Value: 1, Tags: map[string]string{key: "x"}}
		_, err := normalised(t, bad)
		require.ErrorContains(t, err, strings.TrimSpace(key))
		require.ErrorContains(t, bad.Validate(), strings.TrimSpace(key))
		require.Equal(t, map[string]string{key: "x"}, bad.Tags, "Validate changes nothing")
	}
}

func TestTagsOfTheAgentAreAddedWhereAMetricHasNone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Post(t.Context(), "web", []agent.Metric{
			{Name: "a", Value: 1},
			{Name: "b", Value: 1, Tags: map[string]string{"dc": "ams", "host": "switch-7"}},
		}))
		points := w.output.Points()
		require.Equal(t, map[string]string{"host": "h1", "dc": "fra", "rack": "4"}, points[0].Tags)
		require.Equal(t, map[string]string{"host": "switch-7", "dc": "ams", "rack": "4"}, points[1].Tags)
	}, agent.WithTags(map[string]string{"dc": "fra"}), agent.WithTags(map[string]string{"rack": "4"}))
}

func TestTagsOfTheAgentThatCannotBeAreRefused(t *testing.T) {
	for key, value := range map[string]string{"": "a", "a b": "c", "a": "b c", "b": "", "host": "h2", "time": "x", "_field": "x", `c\`: "d"} {
		_, err := agent.New(agent.WithTags(map[string]string{key: value}))
		require.ErrorContains(t, err, fmt.Sprintf("WithTags: the tag %q", key))
	}
}

func TestTagsAreCleaned(t *testing.T) {
	for name, test := range map[string]struct{ tags, want map[string]string }{
		"none":                 {nil, nil},
		"plain":                {map[string]string{"a": "b"}, map[string]string{"a": "b"}},
		"trimmed":              {map[string]string{" a ": "\tb \n"}, map[string]string{"a": "b"}},
		"inner spaces":         {map[string]string{"a": "b c\td\u00a0e"}, map[string]string{"a": "b-c-d-e"}},
		"without a value":      {map[string]string{"a": "", "b": "  ", "c": "d"}, map[string]string{"c": "d"}},
		"without a key":        {map[string]string{"": "a"}, nil},
		"control characters":   {map[string]string{"a": "b\x00c\x7fd"}, map[string]string{"a": "b-c-d"}},
		"line protocol signs":  {map[string]string{"a=b": "c,d e"}, map[string]string{"a=b": "c,d-e"}},
		"backslash at end":     {map[string]string{"a": `b\`}, map[string]string{"a": "b"}},
		"backslashes only":     {map[string]string{"a": `\\`}, nil},
		"other alphabets":      {map[string]string{"città": "東京"}, map[string]string{"città": "東京"}},
		"broken encoding":      {map[string]string{"a": "\xff"}, map[string]string{"a": "\uFFFD"}},
		"host without a value": {map[string]string{"host": " "}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := normalised(t, agent.Metric{Name: "m", Value: 1, Tags: test.tags})
			require.NoError(t, err)
			require.Equal(t, "h1", got.Tags["host"])
			delete(got.Tags, "host")
			require.Equal(t, len(test.want), len(got.Tags))
			for key, value := range test.want {
				require.Equal(t, value, got.Tags[key])
			}
		})
	}
}

func TestTagsThatTakeTooMuchRoomAreRefused(t *testing.T) {
	const most = 61439 - len("m") - len(",a=")
	for name, test := range map[string]struct {
		value string
		good  bool
	}{
		"longest":           {strings.Repeat("x", most), true},
		"too long":          {strings.Repeat("x", most+1), false},
		"70 KB":             {strings.Repeat("x", 70_000), false},
		"longest to escape": {strings.Repeat(",", most/2), true},
		"escaped too long":  {strings.Repeat("=", most/2+1), false},
		"broken encoding":   {strings.Repeat("a\xff", most/4), true},
		"grows when mended": {strings.Repeat("a\xff", most/4+1), false},
	} {
		t.Run(name, func(t *testing.T) {
			m := agent.Metric{Name: "m", Value: 1, Tags: map[string]string{"a": test.value}}
			_, err := normalised(t, m)
			require.Equal(t, test.good, err == nil, "%v", err)
			require.Equal(t, test.good, m.Validate() == nil, "Validate says the same")
		})
	}
}

func TestWhatTheAgentAddsMakesNoValidMetricABadOne(t *testing.T) {
	longest := agent.Metric{Name: "m", Value: 1, Tags: map[string]string{"a": strings.Repeat("x", 61439-len("m,a="))}}
	require.NoError(t, longest.Validate())
	tags := agent.WithTags(map[string]string{"t": strings.Repeat("=", (3072-len(",t="))/2)})
	host := strings.Repeat("=", 255)
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Post(t.Context(), "web", []agent.Metric{longest}))

		plugin := agent.Plugin{Name: "PLUGIN." + strings.Repeat("n", 255), Repo: "org/p", Interval: time.Minute}
		w.runner.Publish(plugin.Repo, agenttest.Program{Print: printed(t, longest)})
		w.registry.Assign(agent.Assignment{Namespace: "web", Plugins: []agent.Plugin{plugin}})
		w.run()
		w.pass(2 * time.Minute)
		require.Zero(t, w.Plugins()[0].Invalid)
		p := w.output.Named(plugin.Name + ".m")[0]
		series := len(p.Name)
		for key, value := range p.Tags {
			series += len(key) + len(value) + 2 + strings.Count(value, "=")
		}
		require.LessOrEqual(t, series, 65535, "InfluxDB stores it")
	}, tags, agent.WithHostname(host))

	_, err := agent.New(tags, agent.WithTags(map[string]string{"u": "v"}))
	require.ErrorContains(t, err, "WithTags: the tags take 3075 bytes; the limit is 3072")
}

// printed returns what a plugin prints to send a metric.
func printed(t *testing.T, m agent.Metric) string {
	list, err := json.Marshal([]agent.Metric{m})
	require.NoError(t, err)
	return string(list)
}

func TestStringsAreMeasuredAsTheyAreSent(t *testing.T) {
	for value, good := range map[string]bool{
		strings.Repeat("a\xff", 65535/4): true, strings.Repeat("a\xff", 65535/4+1): false, // four bytes each, once mended
	} {
		m := agent.Metric{Name: "m", Value: value}
		_, err := normalised(t, m)
		require.Equal(t, good, err == nil)
		require.Equal(t, good, m.Validate() == nil)
	}
}

func TestTimestampsThatAreNoSecondsBecomeNow(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix() // in a bubble
	for name, test := range map[string]struct{ timestamp, want int64 }{
		"seconds":      {1500000000, 1500000000},
		"none":         {0, now},
		"milliseconds": {1500000000000, now},
		"nanoseconds":  {1500000000000000000, now},
		"negative":     {-1500000000, now},
		"small":        {12345, now},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := normalised(t, agent.Metric{Name: "m", Value: 1, Timestamp: test.timestamp})
			require.NoError(t, err)
			require.Equal(t, test.want, got.Timestamp)
		})
	}
}
