// Package agent measures the host it runs on, runs plugins, takes metrics from
// other programs, and delivers all of it as InfluxDB points.
//
// An [Agent] joins five kinds of parts, each an interface:
//
//   - a [Registry] says which namespaces the host belongs to and what to collect for
//     them,
//   - a [Collector] measures something,
//   - a [PluginRunner] fetches plugins and runs them,
//   - an [Output] receives the points,
//   - a [Store] keeps points while the output is down.
//
// Package stock has the real ones: the lodastack registry, the measurements of a
// Linux host, plugins out of git, NSQ, a spool on disk. Each can be replaced by
// your own: the package example is an agent with its own collector, and each
// interface has an example. Package agenttest has a fake of each part for your
// tests, and a suite that checks what each interface promises.
//
// The agent does not serve its API by itself: mount [Agent.Handler] where you like.
//
// # How data flows
//
// Registry to schedule to metrics to output; nothing flows back. Beside each
// step are the files that do it.
//
//	Registry                    asked and reported to     update.go report.go host.go
//	   │                        judged, compared          judge.go judgeitems.go plan.go planchanges.go
//	   ▼ assignments
//	schedule                    who runs when             agent.go (apply), internal/schedule
//	   ├─────────────┐
//	   ▼             ▼
//	Collector     PluginRunner  run, decoded              collector.go measurement.go; plugins.go
//	   │             │                                    pluginoutput.go, internal/plugins
//	   │             │
//	   │  Agent.Post, Agent.Send, POST /post, /write      post.go httpapi.go, internal/httpapi
//	   │             │     │
//	   └──────┬──────┴─────┘
//	          ▼ metrics
//	normalise                   names, tags, times        metric.go, internal/influxdb
//	          │
//	          ▼ batches
//	delivery                    merged, retried, counted  delivery.go, internal/delivery;
//	          │                 for people to look at     internal/recent
//	          ├──► Store        while the output is down
//	          ▼
//	        Output
//
// The interfaces and their types are in registry.go (several registries: registries.go), collector.go, plugin.go,
// output.go, store.go and metric.go; the life of an agent is in agent.go,
// shutdown.go, options.go (options of [Agent.Handler] are in httpapi.go) and settings.go
// (what can change meanwhile). Its
// reports about itself are in check.go, status.go, wrong.go, explain.go, event.go and build.go. The types with
// which a part reports its state are in the part's file ([ServerDetails] in output.go,
// [DiskDetails] in store.go, [PluginDetails], [PluginStatus] and [PluginResult] in
// plugin.go), as does a listener for statsd ([StatsdStatus] in statsd.go). Calls that name a plugin are in plugincalls.go. [New] wraps each part once,
// with a guard against its panics and hangs: parts.go, collector.go for collectors,
// plugins.go for the plugin runner, delivery.go for the output and the store.
//
// # Promises
//
// Collected points wait in a bounded buffer and are written until the output accepts
// them. A point is dropped when it cannot be sent, when the buffer has no
// room for it, or when the output refuses it for good. Each dropped point is
// counted with its reason: [Status] has an [Account] for each namespace, which
// balances at all times. With a store, points for which [Agent.Post] returned
// nil outlive the process.
package agent
