package recent

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// round adds one value of a measurement of the host.
func round(m *Memory, interval time.Duration, value float64) {
	m.AddHost(interval, nil, seq(Point{Name: "mem.free", Tags: map[string]string{"host": "h"}, Value: value}))
}

func TestHistoryHasAValueForEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		start := time.Now().Unix()
		round(m, 10*time.Second, 1)
		time.Sleep(9 * time.Second) // a little early
		round(m, 10*time.Second, 2)
		time.Sleep(22 * time.Second) // one was missed, and a little late
		round(m, 10*time.Second, 3)
		history := m.History(Filter{})
		require.Len(t, history, 1)
		require.Equal(t, map[string]string{"host": "h"}, history[0].Tags)
		require.EqualValues(t, 10, history[0].Interval)
		require.Equal(t, start, history[0].Start)
		require.True(t, math.IsNaN(float64(history[0].Values[2])), "the missed one is not a number")
		history[0].Values[2] = 0
		require.Equal(t, []float32{1, 2, 0, 3}, history[0].Values)
		require.Equal(t, []HostValue{{"mem.free", map[string]string{"host": "h"}, 3, start + 31}}, m.HostValues())
		time.Sleep(21 * time.Second)
		require.Empty(t, m.HostValues(), "a value of two intervals ago is none of now")
		other, err := NewFilter("", "cpu")
		require.NoError(t, err)
		require.Empty(t, m.History(other))
	})
}

func TestHistoryIsOfOneHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		for i := range 400 {
			round(m, 10*time.Second, float64(i))
			time.Sleep(10 * time.Second)
		}
		values := m.History(Filter{})[0].Values
		require.Len(t, values, 360)
		require.Equal(t, []float32{40, 399}, []float32{values[0], values[359]})
		time.Sleep(HistoryTime)
		require.Empty(t, m.History(Filter{}), "what has no value of the last hour is forgotten")
	})
}

func TestAnotherIntervalBeginsTheHistoryAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		round(m, 10*time.Second, 1)
		time.Sleep(10 * time.Second)
		round(m, 300*time.Second, 2)
		history := m.History(Filter{})[0]
		require.EqualValues(t, 300, history.Interval)
		require.Equal(t, []float32{2}, history.Values)
		round(m, time.Millisecond, 3)
		require.EqualValues(t, 1, m.History(Filter{})[0].Interval, "shorter than a second counts as a second")
	})
}

func TestHistoryBearsAClockThatJumps(t *testing.T) {
	m := New(true)
	now := time.Unix(1_700_000_000, 0)
	m.now = func() time.Time { return now }
	at := func(move time.Duration, value float64) []float32 {
		now = now.Add(move)
		round(m, 10*time.Second, value)
		return m.History(Filter{})[0].Values
	}
	at(0, 1)
	at(10*time.Second, 2)
	require.Equal(t, []float32{1, 2, 3}, at(10*time.Second, 3))
	require.Equal(t, []float32{1, 4}, at(-10*time.Second, 4), "back: what came later is forgotten")
	require.Equal(t, []float32{5}, at(-time.Hour, 5), "back before all: it begins anew")
	ahead := at(100*24*time.Hour, 6)
	require.Len(t, ahead, 360)
	require.Equal(t, float32(6), ahead[359])
	require.True(t, math.IsNaN(float64(ahead[0])))
}

func TestHistoryIsBounded(t *testing.T) {
	m := New(true)
	for i := range maxHistory + 10 {
		m.AddHost(10*time.Second, nil, seq(Point{Name: "x", Tags: map[string]string{"core": string(rune('a' + i))}, Value: 1.0}))
	}
	require.Len(t, m.History(Filter{}), maxHistory)
	m.AddHost(10*time.Second, nil, seq(Point{Name: "text", Value: "no number"}))
	m.AddHost(time.Millisecond, nil, seq(Point{Name: "x", Tags: map[string]string{"core": "a"}, Value: 1.0}))
	short := Point{Name: "x", Tags: map[string]string{"core": "a"}}
	require.Len(t, m.history.series[short.key(m.seed)].values, maxSlots)
}

func TestWhatIsMeasuredOnlyOnceMakesRoomInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		for i := range maxHistory {
			m.AddHost(10*time.Second, nil, seq(Point{Name: "kernel.user.login", Tags: map[string]string{"user": string(rune('a' + i))}, Value: 0.0}))
		}
		round(m, 10*time.Second, 1)
		require.Len(t, m.History(Filter{}), maxHistory, "all are of now")
		time.Sleep(21 * time.Second)
		round(m, 10*time.Second, 1)
		require.Len(t, m.History(Filter{}), 1)
		round(m, 10*time.Second, 2)
	})
}
