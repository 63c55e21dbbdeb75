package recent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatTheHostMeasuresIsRememberedForEachOfItsNamespaces(t *testing.T) {
	m := New(true)
	round := func(value float64, namespaces ...string) {
		m.AddHost(10*time.Second, namespaces, seq(Point{Name: "cpu.idle", Value: value, Time: 100}))
	}
	tags := map[string]string{}
	round(1, "web", "db")
	add(m, Point{"db", "RUN.orders", tags, 5.0, 100})
	require.Equal(t, Points{Series: 3, Points: []Point{
		{"db", "RUN.orders", tags, 5.0, 100}, {"db", "cpu.idle", tags, 1.0, 100}, {"web", "cpu.idle", tags, 1.0, 100},
	}}, m.Points(Filter{}, 10))
	require.Len(t, m.series.all, 2)
	require.Len(t, m.Points(Filter{}, 2).Points, 2)
	require.Equal(t, []Point{{"web", "cpu.idle", tags, 1.0, 100}}, m.Points(Filter{namespace: "web"}, 10).Points)
	require.Equal(t, []string{"RUN.orders", "cpu.idle"}, m.Names())

	round(2, "db")
	require.Equal(t, []Point{{"db", "cpu.idle", tags, 2.0, 100}}, m.Points(Named("cpu.idle"), 10).Points, "web is no longer the host's")
}

func TestANewNamespaceHasNoEarlierValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		m.AddHost(time.Hour, []string{"web"}, seq(Point{Name: "slow", Value: 1.0}))
		time.Sleep(time.Minute)
		m.AddHost(time.Minute, []string{"web", "db"}, seq(Point{Name: "fast", Value: 2.0}))
		var names []string
		for _, p := range m.Points(Filter{namespace: "db"}, 10).Points {
			names = append(names, p.Name)
		}
		require.Equal(t, []string{"fast"}, names)
		require.Len(t, m.Points(Filter{namespace: "web"}, 10).Points, 2)
	})
}

func TestTheNewerOfTwoValuesOfASeriesIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		for second := range 4 {
			if second%2 == 0 {
				m.AddHost(time.Second, []string{"web"}, seq(Point{Name: "x", Value: float64(second)}))
			} else {
				add(m, Point{Namespace: "web", Name: "x", Value: float64(second)})
			}
			points := m.Points(Filter{}, 10).Points
			require.Len(t, points, 1)
			require.EqualValues(t, second, points[0].Value)
			time.Sleep(time.Second)
		}
	})
}

func TestAHostOfAHundredNamespacesIsRememberedWhole(t *testing.T) {
	m := New(true)
	var namespaces []string
	for i := range 100 {
		namespaces = append(namespaces, fmt.Sprintf("ns%02d", i))
	}
	m.AddHost(10*time.Second, namespaces, host(150, 0))
	points := m.Points(Filter{}, MaxSeries)
	require.Equal(t, 15_000, points.Series)
	require.Zero(t, points.LeftOut)
	require.Len(t, points.Points, MaxSeries)
}

func TestReadersReadWhatTheHostMeasuresInEachNamespace(t *testing.T) {
	m := New(false)
	r, err := m.Read(Filter{}, 100)
	require.NoError(t, err)
	defer r.Close()
	m.AddHost(time.Second, []string{"web", "db"}, seq(Point{Name: "x", Value: 1.0}))
	require.Equal(t, []Point{{"web", "x", map[string]string{}, 1.0, 0}, {"db", "x", map[string]string{}, 1.0, 0}}, r.Take())
}
