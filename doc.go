// Package agent measures the host it runs on, runs plugins, takes metrics from
// other programs, and delivers all of it as InfluxDB points.
//
// An [Agent] joins four kinds of parts, each an interface:
//
//   - a [Registry] says which namespaces the host belongs to and what they
//     want collected,
//   - a [Collector] measures something,
//   - a [PluginRunner] fetches plugins and runs them,
//   - an [Output] takes the points away.
//
// The package stock has the real ones: the lodastack registry, the measurements
// of a Linux host, plugins out of git, NSQ with a spool on disk. Each can be
// replaced by a part of your own:
//
//	a, err := agent.New(
//		agent.WithRegistry(registry),
//		agent.WithOutput(agent.NewWriterOutput(os.Stdout)),
//		agent.WithCollector("QUEUE", 10*time.Second, agent.CollectorFunc(
//			func(ctx context.Context) ([]agent.Metric, error) {
//				return []agent.Metric{{Name: "queue.depth", Value: queue.Len()}}, nil
//			})),
//	)
//	if err != nil {
//		return err // names everything that is missing or wrong
//	}
//	return a.Run(ctx) // until ctx ends, then delivers what waits
//
// The agent serves nothing by itself: mount [Agent.Handler] where you like.
//
// # What becomes of a point
//
// What a collector or plugin measured is normalised and put into a bounded
// buffer, from which it is written to the output, again and again until the
// output takes it. A point that the buffer has no room for, or that the output
// refuses for good, is dropped and counted with the reason; nothing is lost in
// silence: [Status] has an [Account] that balances for each namespace. With an
// output that keeps what it cannot deliver on disk, as the stock one does, a
// nil from [Agent.Post] outlives the process.
package agent
