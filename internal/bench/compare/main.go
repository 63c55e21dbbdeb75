//go:build linux

// Command compare measures this host, has node_exporter and the system's own tools measure it
// in the same second, and prints both with their difference. It exits with 1 if a difference
// is neither small nor explained.
//
//	moment A      ours, node_exporter                  begin of all rates
//	   │ 10 s
//	moment B      ours, node_exporter, free df ss ps   ► rules ► table
//
// Other programs use the host meanwhile. So what differs is measured again, up to three times,
// and the smallest difference counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

const (
	// small is a difference that needs no explanation, in percent.
	small = 2
	// attempts is how often all is measured while something differs.
	attempts = 3
)

func main() {
	exporter := flag.String("node-exporter", "node_exporter", "`program` to compare with, in $PATH or with its path")
	window := flag.Duration("window", 10*time.Second, "time over which rates are measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *exporter, *window); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string, window time.Duration) (err error) {
	exporter, err := startExporter(ctx, program)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, exporter.stop()) }()
	host := stock.HostKinds(stock.HostConfig{Detail: []string{"DISK", "NET"}})
	best := make(map[string]comparison)
	for range attempts {
		compared, err := compareOnce(ctx, host, exporter, window)
		if err != nil {
			return err
		}
		for key, c := range compared {
			if before, known := best[key]; !known || c.difference() < before.difference() {
				best[key] = c
			}
		}
		if differing(best) == 0 {
			break
		}
	}
	printTable(best)
	if n := differing(best); n > 0 {
		return fmt.Errorf("%d values differ by more than %d %%, and nothing explains it", n, small)
	}
	return nil
}

// compareOnce measures at two moments. The result has a key for each value and measurer.
func compareOnce(ctx context.Context, host []stock.HostKind, exporter *exporter, window time.Duration) (map[string]comparison, error) {
	collect(ctx, host) // the first takes half a second
	collect(ctx, host)
	before, err := exporter.scrape(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(window):
	}
	ours := collect(ctx, host)
	after, err := exporter.scrape(ctx)
	if err != nil {
		return nil, err
	}
	compared := make(map[string]comparison)
	for _, m := range ours {
		value, isNumber := m.Value.(float64)
		rule, has := rules()[m.Name]
		if !isNumber || !has {
			continue
		}
		if theirs, ok := rule.theirs(scrapes{before, after, m.Tags}); ok {
			add(compared, comparison{"node_exporter", describe(m), value, theirs, rule})
		}
	}
	for _, t := range tools() {
		said, err := t.ask(ctx)
		if err != nil {
			fmt.Fprintf(os.Stderr, "compare: %s is left out: %v\n", t.name, err)
			continue
		}
		for _, m := range ours {
			if theirs, ok := said[describe(m)]; ok {
				add(compared, comparison{t.name, describe(m), m.Value.(float64), theirs, rules()[m.Name]})
			}
		}
	}
	return compared, nil
}

func add(all map[string]comparison, c comparison) { all[c.name+" "+c.measurer] = c }

// collect measures all kinds that need neither the network nor items. What one cannot
// measure is not compared.
func collect(ctx context.Context, host []stock.HostKind) (all []agent.Metric) {
	for _, kind := range host {
		if kind.Collector == nil || kind.Name == "TIME" || kind.Name == "KERNEL" {
			continue
		}
		metrics, _ := kind.Collector.Collect(ctx)
		all = append(all, metrics...)
	}
	return all
}

// describe returns the name of a metric with its one tag, if it has one.
func describe(m agent.Metric) string {
	for _, value := range m.Tags {
		return m.Name + "{" + value + "}"
	}
	return m.Name
}

// comparison is one value of ours and of somebody else.
type comparison struct {
	measurer     string
	name         string
	ours, theirs float64
	rule         rule
}

// difference is in percent of the larger value.
func (c comparison) difference() float64 {
	if c.ours == c.theirs {
		return 0
	}
	return 100 * math.Abs(c.ours-c.theirs) / math.Max(math.Abs(c.ours), math.Abs(c.theirs))
}

func (c comparison) verdict() string {
	switch {
	case c.difference() <= small || math.Abs(c.ours-c.theirs) <= c.rule.slack:
		return "ok"
	case c.rule.why != "":
		return "explained: " + c.rule.why
	}
	return "DIFFERS"
}

func differing(all map[string]comparison) (n int) {
	for _, c := range all {
		if c.verdict() == "DIFFERS" {
			n++
		}
	}
	return n
}

func printTable(all map[string]comparison) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "name\tours\ttheirs\tmeasured by\tdifference\t")
	agree := 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		c := all[key]
		if c.verdict() == "ok" {
			agree++
		}
		fmt.Fprintf(w, "%s\t%.6g\t%.6g\t%s\t%.2f %%\t%s\n", c.name, c.ours, c.theirs, c.measurer, c.difference(), c.verdict())
	}
	w.Flush()
	fmt.Printf("%d of %d values agree: within %d %%, or as well as rounding and the moment between two readings allow\n", agree, len(all), small)
}
