// Package agent measures the host it runs on, runs plugins, takes metrics from
// other programs, and delivers all of it as InfluxDB points.
//
// An [Agent] joins five kinds of parts, each an interface:
//
//   - a [Registry] says which namespaces the host belongs to and what they want
//     collected,
//   - a [Collector] measures something,
//   - a [PluginRunner] fetches plugins and runs them,
//   - an [Output] takes the points away,
//   - a [Store] keeps points while the output is down.
//
// The package stock has the real ones: the lodastack registry, the measurements
// of a Linux host, plugins out of git, NSQ, a spool on disk. Each can be replaced
// by a part of your own; the package example is an agent with a collector of its
// own, and each interface has an example. Package agenttest has a fake of each
// part for your tests, and a suite that checks what each interface promises.
//
// The agent serves nothing by itself: mount [Agent.Handler] where you like.
//
// # The way of a point
//
//	Registry ── assignments ──► schedule
//	                               │
//	                ┌──────────────┴──────────┐
//	                ▼                         ▼
//	            Collector               PluginRunner       Agent.Post, Agent.Send
//	                └──────────────┬──────────┘                     │
//	                               ▼                                ▼
//	                    names, tags, times and values are brought into form
//	                               └───────────────┬────────────────┘
//	                                               ▼
//	                             Output, or Store while the output is down
//
// What was collected waits in a bounded buffer and is written until the output
// takes it. A point is dropped where it cannot be sent, where the buffer has no
// room for it, or where the output refuses it for good. Each dropped point is
// counted with the reason: [Status] has an [Account] for each namespace, which
// balances at all times. With a store, what [Agent.Post] answered with nil
// outlives the process.
package agent
