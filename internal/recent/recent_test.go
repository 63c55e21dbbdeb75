package recent

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func seq(points ...Point) iter.Seq[Point] { return slices.Values(points) }

func add(m *Memory, points ...Point) { m.Add(len(points), seq(points...)) }

func names(points []Point) (names []string) {
	for _, p := range points {
		names = append(names, p.Name)
	}
	return names
}

func TestTheLastValueOfEachSeriesIsRemembered(t *testing.T) {
	m := New(true)
	tags := map[string]string{"host": "h", "core": "1"}
	add(m, Point{"web", "cpu.idle", tags, 1.0, 100}, Point{"web", "cpu.idle", map[string]string{"host": "h"}, 2.0, 100})
	add(m, Point{"web", "cpu.idle", map[string]string{"core": "1", "host": "h"}, 3.0, 110}, Point{"db", "cpu.idle", tags, 4.0, 110})
	require.Equal(t, Points{Series: 3, Points: []Point{
		{"db", "cpu.idle", tags, 4.0, 110},
		{"web", "cpu.idle", tags, 3.0, 110},
		{"web", "cpu.idle", map[string]string{"host": "h"}, 2.0, 100},
	}}, m.Points(Filter{}, 10))
}

func TestAValueMayBecomeOneOfAnotherKind(t *testing.T) {
	m := New(true)
	for _, value := range []any{1.5, "text", true, "", false, "another text", -2.0} {
		add(m, Point{Namespace: "web", Name: "x", Value: value})
		require.Equal(t, []Point{{"web", "x", map[string]string{}, value, 0}}, m.Points(Filter{}, 1).Points)
	}
	require.Empty(t, m.series.texts)
	require.Equal(t, len("web")+len("x"), m.series.bytes)
}

func TestForgettingKeepsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		add(m, Point{Namespace: "web", Name: "a", Value: "gone"}, Point{Namespace: "web", Name: "b", Tags: map[string]string{"k": "v"}, Value: "kept"}, Point{Namespace: "web", Name: "c"})
		time.Sleep(forgetAfter)
		kept := Point{Namespace: "web", Name: "b", Tags: map[string]string{"k": "v"}, Value: "kept", Time: 5}
		add(m, kept)
		time.Sleep(time.Second)
		require.Equal(t, Points{Series: 1, Points: []Point{kept}}, m.Points(Filter{}, 10))
		kept.Value = 2.0
		add(m, kept, Point{Namespace: "web", Name: "a", Tags: map[string]string{}, Value: 3.0})
		require.Equal(t, []Point{{Namespace: "web", Name: "a", Tags: map[string]string{}, Value: 3.0}, kept}, m.Points(Filter{}, 10).Points)
	})
}

func TestNothingIsRememberedWhereItIsOff(t *testing.T) {
	m := New(false)
	add(m, Point{Namespace: "web", Name: "x", Value: 1.0})
	m.AddHost(time.Second, []string{"web"}, seq(Point{Name: "x", Value: 1.0}))
	require.Equal(t, Points{}, m.Points(Filter{}, 10))
	require.Empty(t, m.History(Filter{}))
}

func TestSeriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		for i := range MaxSeries + 5 {
			add(m, Point{Namespace: "web", Name: fmt.Sprint("old", i), Value: 1.0})
		}
		points := m.Points(Filter{}, 3)
		require.Equal(t, MaxSeries, points.Series)
		require.EqualValues(t, 5, points.LeftOut)
		require.Len(t, points.Points, 3)

		time.Sleep(replaceAfter + time.Second)
		add(m, Point{Namespace: "web", Name: "new", Value: 1.0})
		points = m.Points(Filter{}, 3)
		require.Equal(t, []string{"new"}, names(points.Points), "what does not pass any more makes room")

		time.Sleep(forgetAfter + time.Second)
		require.Zero(t, m.Points(Filter{}, 3).Series, "after a day a series is forgotten")
		require.Zero(t, m.series.bytes)
	})
}

func TestTextIsBounded(t *testing.T) {
	m := New(true)
	long := strings.Repeat("ä", 3000)
	add(m, Point{Namespace: "web", Name: "long", Tags: map[string]string{"t": long}, Value: 1.0})
	require.EqualValues(t, 1, m.Points(Filter{}, 1).LeftOut, "a series of 6,000 bytes is left out")
	for range 2 { // the second time the value replaces the first one
		add(m, Point{Namespace: "web", Name: "text", Value: "x" + long})
	}
	require.Equal(t, "x"+strings.Repeat("ä", 127)+"…", m.Points(Filter{}, 1).Points[0].Value)
	require.Equal(t, len("web")+len("text")+255+len(cut), m.series.bytes)
	for i := range MaxSeries {
		add(m, Point{Namespace: "web", Name: fmt.Sprint(i), Tags: map[string]string{"t": long[:4000]}, Value: 1.0})
	}
	require.LessOrEqual(t, m.series.bytes, maxBytes)
	for i := range MaxSeries {
		add(m, Point{Namespace: "web", Name: fmt.Sprint(i), Tags: map[string]string{"t": long[:4000]}, Value: long[:200]})
	}
	require.LessOrEqual(t, m.series.bytes, maxBytes+len(m.series.byKey)*len(cut), "texts for which there is no room are cut off")
}

func TestTheMemoryOfHostileSeriesIsBounded(t *testing.T) {
	for name, shape := range map[string]struct{ tags, length int }{
		"long tags":                     {1, 3900},
		"many tags":                     {75, 5},
		"more tags than are remembered": {500, 1},
	} {
		t.Run(name, func(t *testing.T) {
			tags := make(map[string]string)
			for i := range shape.tags {
				tags[fmt.Sprint(i)] = strings.Repeat("x", shape.length)
			}
			m := New(true)
			before := heap()
			for i := range MaxSeries {
				tags["0"] = fmt.Sprint(i) + strings.Repeat("x", shape.length)
				add(m, Point{Namespace: "web", Name: "x", Tags: tags, Value: 1.0})
			}
			require.Less(t, heap()-min(before, heap()), uint64(16<<20))
			points := m.Points(Filter{}, 1)
			require.EqualValues(t, MaxSeries, int64(points.Series)+points.LeftOut)
		})
	}
}

func TestOnlySomePostsOfAFloodAreLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		var posts [10][]Point
		for i := range posts {
			posts[i] = slices.Repeat([]Point{{Namespace: "web", Name: fmt.Sprint("x", i), Value: 1.0}}, 100)
		}
		for range LookedAt / 100 { // as many as may come at once
			m.AddPosted("web", "", 100, seq(posts[0]...))
		}
		const seconds, perSecond = 20, 2000 // 200,000 points a second, the posts in turn
		for i := range seconds * perSecond {
			post := posts[i%len(posts)]
			m.AddPosted("web", "", len(post), seq(post...))
			time.Sleep(time.Second / perSecond)
		}
		points := m.Points(Filter{}, 1)
		require.InDelta(t, seconds*perSecond*100-seconds*LookedAt, points.LeftOut, LookedAt)
		require.Equal(t, len(posts), points.Series, "none is always left out")
		time.Sleep(2 * time.Second)
		for range LookedAt / 100 {
			m.AddPosted("web", "", 100, seq(posts[0]...))
		}
		require.Equal(t, points.LeftOut, m.Points(Filter{}, 1).LeftOut, "all are looked at, once the flood is over")
	})
}

func TestAClockThatIsSetBackLeavesOutNothing(t *testing.T) {
	m := New(true)
	now := time.Unix(1_700_000_000, 0)
	m.now = func() time.Time { return now }
	for range 10 {
		now = now.Add(-time.Hour)
		m.AddPosted("web", "", 1, seq(Point{Name: "x", Value: 1.0}))
	}
	require.Zero(t, m.Points(Filter{}, 1).LeftOut)
}

func TestFilters(t *testing.T) {
	for _, test := range []struct {
		namespace, pattern string
		chosen             bool
	}{
		{"", "", true},
		{"web", "", true},
		{"db", "", false},
		{"", "cpu", true},
		{"", "cpu.idle", true},
		{"", "cp", false},
		{"", "cpu.idle.core", false},
		{"", "cpu.*", true},
		{"", "*.idle", true},
		{"", "mem.*", false},
		{"", "cpu.[ij]dle", true},
		{"web", "cpu.*", true},
		{"", "mem,cpu", true},
		{"", "mem,*.idle", true},
		{"", "mem,net", false},
		{"db", "cpu.*", false},
	} {
		filter, err := NewFilter(test.namespace, test.pattern)
		require.NoError(t, err)
		require.Equal(t, test.chosen, filter.Matches("web", "cpu.idle"), "%+v", test)
	}
	_, err := NewFilter("", "cpu.[")
	require.EqualError(t, err, `"cpu.[" is no pattern of names: a [ needs its ]`)
	_, err = NewFilter("", strings.Repeat("x", maxPattern+1))
	require.ErrorContains(t, err, "has 513 bytes; patterns of names have at most 512")
}

func TestItIsSafeForConcurrentUse(t *testing.T) {
	m := New(true)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			p := Point{Namespace: "web", Name: fmt.Sprint(i % 4), Tags: map[string]string{"a": "b"}, Value: "text"}
			for range 200 {
				add(m, p)
				m.AddPosted("web", "", 1, seq(p))
				m.AddHost(10*time.Second, []string{"web"}, seq(Point{Name: "x", Value: 1.0}))
				m.Points(Filter{}, 10)
				m.History(Filter{})
				m.HostValues()
				if r, err := m.Read(Filter{}, 10); err == nil {
					m.AddPosted("web", "", 1, seq(p))
					r.LeftOut()
					r.Take()
					r.Close()
				}
			}
		})
	}
	all.Wait()
	require.False(t, m.readers.any())
}
