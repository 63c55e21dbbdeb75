package recent

import (
	"fmt"
	"iter"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// host are the measurements of a host with n series, as the agent makes them: each
// point has a map of its own.
func host(n int, at int64) iter.Seq[Point] {
	return func(yield func(Point) bool) {
		for i := range n {
			tags := map[string]string{"host": "web1.example.org", "core": strconv.Itoa(i)}
			if !yield(Point{Name: "cpu.idle.core", Tags: tags, Value: float64(i), Time: at}) {
				return
			}
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMemoryOfAHost is what an hour of a host with 150 measurements in three
// namespaces takes.
func BenchmarkMemoryOfAHost(b *testing.B) {
	for b.Loop() {
		before := heap()
		m := New(true)
		now := time.Now()
		m.now = func() time.Time { return now }
		for range 360 {
			now = now.Add(10 * time.Second)
			m.AddHost(10*time.Second, []string{"ns1", "ns2", "ns3"}, host(150, now.Unix()))
		}
		b.ReportMetric(float64(heap()-before)/1024, "KiB")
		runtime.KeepAlive(m)
	}
}

// BenchmarkMemoryFull is the most that is remembered: as many series as may be,
// with the most text.
func BenchmarkMemoryFull(b *testing.B) {
	for b.Loop() {
		before := heap()
		m := New(true)
		for i := range MaxSeries {
			add(m, Point{Namespace: "shop.web", Name: fmt.Sprintf("name%0380d", i), Tags: map[string]string{"host": "h"}, Value: 1.0})
		}
		m.AddHost(10*time.Second, nil, host(maxHistory, 0))
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		runtime.KeepAlive(m)
	}
}

// BenchmarkAdd is the cost of a point of a post of 500 with three tags, beside
// that of making its tags.
func BenchmarkAdd(b *testing.B) {
	points := make([]Point, 500)
	for i := range points {
		points[i] = Point{Namespace: "shop.web", Name: "RUN.orders", Tags: map[string]string{"host": "web1", "shop": strconv.Itoa(i % 100), "dc": "fra"}, Value: 1.0}
	}
	m := New(true)
	b.ReportAllocs()
	for b.Loop() {
		m.Add(len(points), seq(points...))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(points)), "ns/point")
}

// BenchmarkAddFlood is the cost of a point where far more pass than are looked at.
func BenchmarkAddFlood(b *testing.B) {
	points := make([]Point, 500)
	for i := range points {
		points[i] = Point{Namespace: "shop.web", Name: "RUN.orders", Tags: map[string]string{"host": "web1", "shop": strconv.Itoa(i % 100), "dc": "fra"}, Value: 1.0}
	}
	m := New(true)
	for b.Loop() {
		m.AddPosted("shop.web", "RUN.", len(points), seq(points...))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(points)), "ns/point")
}
