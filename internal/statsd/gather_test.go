package statsd

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// start is when the tests' intervals begin.
var start = time.Unix(1_700_000_000, 0)

// metricsOf returns what an interval of ten seconds amounts to, sorted.
func metricsOf(g *gatherer) (metrics []agent.Metric) {
	now := g.since.Add(10 * time.Second)
	for _, s := range g.take(now).series {
		metrics = append(metrics, s.metrics(10*time.Second, now)...)
	}
	slices.SortFunc(metrics, func(a, b agent.Metric) int {
		return strings.Compare(fmt.Sprint(a.Name, a.Tags), fmt.Sprint(b.Name, b.Tags))
	})
	return metrics
}

// texts returns metrics as NAME TAGS=VALUE.
func texts(metrics []agent.Metric) (texts []string) {
	for _, m := range metrics {
		var tags strings.Builder
		for key, value := range m.Tags {
			fmt.Fprintf(&tags, ",%s=%s", key, value)
		}
		texts = append(texts, fmt.Sprintf("%s%s %.4g", m.Name, tags.String(), m.Value))
	}
	return texts
}

func TestSamplesOfAnIntervalBecomeMetrics(t *testing.T) {
	for name, test := range map[string]struct {
		packet string
		want   []string
	}{
		"counter":                 {"a:1|c\na:2|c", []string{"a.count 3", "a.rate 0.3"}},
		"sampled counter":         {"a:1|c|@0.1\na:5|c", []string{"a.count 15", "a.rate 1.5"}},
		"negative counter":        {"a:-5|c", []string{"a.count -5", "a.rate -0.5"}},
		"gauge":                   {"a:3|g\na:7.5|g", []string{"a 7.5"}},
		"gauge that changes":      {"a:10|g\na:+4|g\na:-2|g", []string{"a 12"}},
		"set":                     {"a:x|s\na:y|s\na:x|s", []string{"a.count 2"}},
		"timer":                   {"a:10|ms\na:30|ms", []string{"a.count 2", "a.max 30", "a.mean 20", "a.p50 10.02", "a.p90 30", "a.p99 30"}},
		"one sample":              {"a:42|h", []string{"a.count 1", "a.max 42", "a.mean 42", "a.p50 42", "a.p90 42", "a.p99 42"}},
		"sampled timer":           {"a:10|d|@0.25", []string{"a.count 4", "a.max 10", "a.mean 10", "a.p50 10", "a.p90 10", "a.p99 10"}},
		"several values":          {"a:1:2:3|c", []string{"a.count 6", "a.rate 0.6"}},
		"tags of DogStatsD":       {"a:1|g|#k:v", []string{"a,k=v 1"}},
		"tags in the name":        {"a,k=v:1|g", []string{"a,k=v 1"}},
		"tag without a value":     {"a:1|g|#k", []string{"a,k=true 1"}},
		"tag with colons":         {"a:1|g|#url:http://x", []string{"a,url=http://x 1"}},
		"name that cannot be one": {"a b/é:1|g", []string{"a_b__ 1"}},
		"empty lines":             {"\n\r\na:1|g\r\n", []string{"a 1"}},
		"sum beyond all floats":   {"a:1e308|c\na:1e308|c", nil},
		"reserved tag":            {"a:1|c|#time:1", nil},
		"no number":               {"a:x|g", nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGatherer(start)
			g.packet([]byte(test.packet), start)
			metrics := metricsOf(g)
			require.Equal(t, test.want, texts(metrics))
			for _, m := range metrics {
				require.Equal(t, start.Unix()+10, m.Timestamp)
			}
		})
	}
}

func TestOnlyGaugesOutliveAnInterval(t *testing.T) {
	g := newGatherer(start)
	g.packet([]byte("g:5|g\nc:1|c\nt:1|ms\ns:x|s"), start)
	metricsOf(g)
	require.Equal(t, []string{"g 5"}, texts(metricsOf(g)))

	g.packet([]byte("g:+1|g"), start.Add(time.Minute))
	require.Equal(t, []string{"g 6"}, texts(metricsOf(g)))

	g.since = start.Add(2 * time.Hour)
	require.Empty(t, metricsOf(g), "an hour after it was written the gauge is forgotten")
	require.Empty(t, g.gauges.lines)
	require.Zero(t, g.gauges.text)
}

func TestBadLinesDoNotHarmOthers(t *testing.T) {
	g := newGatherer(start)
	g.packet([]byte("a:1|c\nrubbish\na:nan|c\n_e{1,1}:a|b\na:1|c"), start)
	figures, series := g.look()
	require.Equal(t, counts{packets: 1, samples: 2, badLines: 2, unsupported: 1}, figures)
	require.Equal(t, 1, series)
	require.Equal(t, `"rubbish": it has no value; the form is NAME:VALUE|TYPE`, g.takeBad())
	require.Equal(t, []string{"a.count 2", "a.rate 0.2"}, texts(metricsOf(g)))
}

func TestCutPacketLosesItsLastLine(t *testing.T) {
	g := newGatherer(start)
	packet := []byte("a:1|c\nb:1|c|c:" + strings.Repeat("x", maxPacket))
	g.packet(packet[:maxPacket+1], start)
	require.Equal(t, []string{"a.count 1", "a.rate 0.1"}, texts(metricsOf(g)))
	require.EqualValues(t, 1, g.counts.badLines)
}

// manyTags are as many tags as there is room for.
var manyTags = func() string {
	var list strings.Builder
	for i := range 900 {
		fmt.Fprintf(&list, ",%x", i)
	}
	return list.String()
}()

func TestEndlessNamesTagsAndMembersTakeBoundedMemory(t *testing.T) {
	const flood = 12_000 // more than there is room for
	for name, line := range map[string]func(i int) string{
		"names":       func(i int) string { return fmt.Sprintf("a%d:1|c", i) },
		"long names":  func(i int) string { return fmt.Sprintf("%0500d:1|c", i) },
		"long tags":   func(i int) string { return fmt.Sprintf("a:1|g|#k:%04000d", i) },
		"many tags":   func(i int) string { return fmt.Sprintf("a:1|c|#%d", i) + manyTags },
		"gauges":      func(i int) string { return fmt.Sprintf("a%d:1|g", i) },
		"timers":      func(i int) string { return fmt.Sprintf("a%d:1:-1:1e9:-1e9|ms|@0.000001", i) },
		"sets":        func(i int) string { return fmt.Sprintf("a%d:x|s", i) },
		"members":     func(i int) string { return fmt.Sprintf("a:%d|s", i) },
		"tags' order": func(i int) string { return fmt.Sprintf("a:1|c|#%s", strings.Repeat(",", i%3000)+"k:v") },
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			g := newGatherer(start)
			g.packet([]byte("known:1|c\nlevel:1|g"), start)
			for i := range flood {
				g.packet([]byte(line(i)), start)
			}
			used := heap() - before
			g.packet([]byte("known:1|c\nlevel:+1|g"), start)
			figures, series := g.look()
			t.Logf("%s: %.1f MiB, %d series", name, float64(used)/(1<<20), series)
			require.Less(t, used, int64(32<<20))
			require.LessOrEqual(t, series, 2*maxSeries)
			require.EqualValues(t, flood+4, figures.samples+figures.leftOut)
			all := texts(metricsOf(g))
			require.Contains(t, all, "known.count 2", "what is known goes on")
			require.Contains(t, all, "level 2")
		})
	}
}

func TestIntervalWithoutSeriesBeginsAnew(t *testing.T) {
	g := newGatherer(start)
	g.packet([]byte("rubbish"), start)
	require.True(t, g.idle(start.Add(time.Hour)))
	g.packet([]byte("a:1|c"), start.Add(time.Hour))
	require.False(t, g.idle(start.Add(time.Hour)))
	taken := g.take(start.Add(time.Hour + 10*time.Second))
	require.Equal(t, 10*time.Second, taken.until.Sub(taken.since))
	require.Len(t, taken.series, 1)
}

func TestMembersOfAllSetsAreBounded(t *testing.T) {
	g := newGatherer(start)
	for i := range maxMembers + 10 {
		g.packet(fmt.Appendf(nil, "%c:%d|s", 'a'+i%2, i), start)
	}
	g.packet([]byte("a:0|s"), start) // is known
	require.EqualValues(t, 10, g.counts.leftOut)
	require.Equal(t, []string{"a.count 5e+04", "b.count 5e+04"}, texts(metricsOf(g)))
	g.packet([]byte("a:new|s"), start)
	require.Equal(t, []string{"a.count 1"}, texts(metricsOf(g)))
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestPermutationsOfTagsAreOneSeries(t *testing.T) {
	g := newGatherer(start)
	tags := []string{"a:1", "b:2", "c:3", "d:4"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		random.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
		g.packet([]byte("x:1|c|#"+strings.Join(tags, ",")), start)
	}
	g.packet([]byte("x,d=4,c=3:1|c|#b:2,a:1"), start)
	metrics := metricsOf(g)
	require.Len(t, metrics, 2)
	require.Equal(t, 101.0, metrics[0].Value)
}
