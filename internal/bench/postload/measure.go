//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of what is measured.
const (
	minRate = 250_000 // metrics acknowledged a second
	maxCPU  = 4.0     // seconds a million metrics
	maxP99  = 10 * time.Millisecond
	maxPeak = 120 << 20 // bytes
)

// rounds in which all are measured in turn, so that the machine's other work
// meets all alike.
const rounds = 7

// measurement compares agents with each other and with raw limits.
type measurement struct {
	agents []*target
	queue  *queueProcess
	bare   *target
	period time.Duration
	wrong  []error
}

func (m *measurement) run() error {
	kinds := bodyKinds()
	for _, t := range append(m.agents, m.bare) { // warm
		if _, err := t.load(load{connections: 8, bodies: kinds[0].bodies, period: time.Second}); err != nil {
			return err
		}
	}
	rate := 0.0
	for _, kind := range kinds {
		costs, err := m.costs(kind)
		if err != nil {
			return err
		}
		if rate == 0 {
			rate = median(costs[0].rates)
		}
		for i, c := range costs {
			m.printCost(i, kind, c, costs[0])
		}
	}
	if err := m.latencies(kinds[0].bodies, rate); err != nil {
		return err
	}
	return errors.Join(m.arrival(), errors.Join(m.wrong...))
}

// costs are what an agent took at full load, a figure for each round.
type costs struct {
	rates   []float64 // metrics a second
	cpu     []float64 // seconds a million metrics
	byAlone []float64 // cpu by that of decoding and encoding alone
	byBare  []float64 // cpu by that and of reading the bodies over HTTP
	refused int64
	peak    int64 // bytes
}

// costs puts the full load on each agent.
func (m *measurement) costs(kind bodyKind) ([]costs, error) {
	all := make([]costs, len(m.agents))
	l := load{connections: 8, bodies: kind.bodies, period: m.period / rounds}
	for range rounds {
		alone, err := alone(kind.bodies)
		if err != nil {
			return nil, err
		}
		bare, err := m.bare.load(l)
		if err != nil {
			return nil, err
		}
		for i, agent := range m.agents {
			r, err := agent.load(l)
			if err != nil {
				return nil, err
			}
			c := &all[i]
			c.rates = append(c.rates, r.rate())
			c.cpu = append(c.cpu, r.cpuPerMillion())
			c.byAlone = append(c.byAlone, r.cpuPerMillion()/alone)
			c.byBare = append(c.byBare, r.cpuPerMillion()/(alone+bare.cpuPerMillion()))
			c.refused += r.refused
			c.peak = max(c.peak, r.peak)
		}
	}
	return all, nil
}

func (m *measurement) printCost(agent int, kind bodyKind, c, first costs) {
	fmt.Printf("%s, %s, full load:\n", m.name(agent), kind.name)
	fmt.Printf("  %8.0f metrics/s acknowledged (at least %d), %d posts refused, %.1f MiB resident at most\n", median(c.rates), minRate, c.refused, mib(c.peak))
	fmt.Printf("  %8.2f CPU s a million metrics (at most %.0f): %.2f times decoding and encoding alone, %.2f times that with reading over HTTP\n",
		median(c.cpu), maxCPU, median(c.byAlone), median(c.byBare))
	if agent > 0 {
		fmt.Printf("  %8.2f of the first agent's throughput, %.2f of its CPU time, medians of pairs\n",
			median(quotients(c.rates, first.rates)), median(quotients(c.cpu, first.cpu)))
	}
	m.failed(agent, median(c.rates) < minRate, "too few metrics were acknowledged")
	m.failed(agent, c.refused > 0, "posts were refused at full load")
	m.failed(agent, median(c.cpu) > maxCPU, "too much CPU time was used")
	m.failed(agent, c.peak > maxPeak, "too much memory was resident")
}

// latencies puts half of the full load on each agent, twice as much, and large
// bodies.
func (m *measurement) latencies(bodies []string, full float64) error {
	for i, agent := range m.agents {
		half, err := agent.load(load{connections: 8, bodies: bodies, period: m.period, rate: full / 2})
		if err != nil {
			return err
		}
		twice, err := agent.load(load{connections: 256, bodies: bodies, period: m.period, rate: full * 2})
		if err != nil {
			return err
		}
		large, err := agent.loadLarge()
		if err != nil {
			return err
		}
		fmt.Printf("%s, half load:\n  %8.0f metrics/s acknowledged, latency p50 %.2f ms, p99 %.2f ms (at most %d), largest %.2f ms\n",
			m.name(i), half.rate(), ms(half.quantile(0.5)), ms(half.quantile(0.99)), maxP99.Milliseconds(), ms(half.quantile(1)))
		fmt.Printf("%s, twice the full load:\n  %8.0f metrics/s acknowledged, %d of %d posts refused, latency p99 %.0f ms, %.1f MiB resident at most (at most %d)\n",
			m.name(i), twice.rate(), twice.refused, twice.refused+twice.posts, ms(twice.quantile(0.99)), mib(twice.peak), maxPeak>>20)
		fmt.Printf("%s, %d bodies of %d MiB at once:\n  %8d of them refused, %.1f s, %.1f MiB resident at most (at most %d)\n",
			m.name(i), largeBodies, largeBody>>20, large.refused, large.took.Seconds(), mib(large.peak), maxPeak>>20)
		m.failed(i, half.quantile(0.99) > maxP99, "posts took too long at half load")
		m.failed(i, max(twice.peak, large.peak) > maxPeak, "too much memory was resident")
	}
	return nil
}

// arrival waits until what was acknowledged has arrived.
func (m *measurement) arrival() error {
	acknowledged := int64(0)
	for _, agent := range m.agents {
		acknowledged += agent.acknowledged
	}
	arrived, err := m.queue.await(acknowledged)
	fmt.Printf("arrived: %d of %d acknowledged metrics\n", arrived, acknowledged)
	if err == nil && arrived < acknowledged {
		err = errors.New("acknowledged metrics did not arrive")
	}
	return err
}

// failed notes what the agent missed. Only the first one is judged.
func (m *measurement) failed(agent int, bad bool, what string) {
	if bad && agent == 0 {
		m.wrong = append(m.wrong, errors.New(what))
	}
}

func (m *measurement) name(agent int) string {
	if agent == 0 {
		return "agent"
	}
	return "the other agent"
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// quotients returns those of the figures of the same round.
func quotients(a, b []float64) []float64 {
	q := make([]float64, len(a))
	for i := range q {
		q[i] = a[i] / b[i]
	}
	return q
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }
