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
// Registry to schedule to metrics to output, one way. Beside each
// step are the files that do it.
//
//	Registry                    asked, told of the host   update.go report.go host.go
//	   │                        judged, doubted           judge.go judgeitems.go
//	   │                        shown beforehand          plan.go planchanges.go
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
// The interfaces and their types are in registry.go (several registries: registries.go),
// collector.go, plugin.go, output.go, store.go and metric.go. The types with which a part
// reports its state are in the part's file ([ServerDetails] in output.go, [DiskDetails] in
// store.go, [PluginDetails], [PluginStatus] and [PluginResult] in plugin.go). [StatsdStatus]
// is in statsd.go.
//
// The life of an agent is in agent.go, shutdown.go, options.go (options of [Agent.Handler] are
// in httpapi.go) and settings.go (what can change meanwhile). Its reports about itself are in
// check.go, status.go, wrong.go, explain.go, event.go and build.go. Calls that name a plugin
// are in plugincalls.go.
//
// [New] wraps each part once, to turn its panics into errors and to bound the calls that have
// no context. A call with a context must obey it. An output that does not delays only the
// namespace it was given; a collector or plugin runner that does not delays only itself. The
// wrappers are beside the interfaces; what they share is in parts.go.
//
// Five ways through the code, from function to function:
//
//   - An answer of the registry: update.go (converse, take), judge.go, agent.go (apply),
//     internal/schedule.
//   - A measurement: collector.go (collect), metric.go (list), post.go (deliverToAll),
//     internal/delivery, output.go (outputPart.write).
//   - A plugin's output: internal/plugins, pluginoutput.go (decode), post.go (buffer).
//   - POST /post: internal/httpapi, httpapi.go (apiAgent), post.go (send), internal/delivery,
//     whose Write returns once the output has acknowledged the points or the store has them.
//   - What people see: post.go gives each point to internal/recent, from which /me/stream
//     and /me/points have it; [Agent.Status] and [Status.Wrong] are what a status says;
//     explain.go (facts) gathers what internal/explain reasons about.
//
// # Promises
//
// A metric that cannot be sent is left out: it is counted in the status of what made it, or
// refused if it was posted. Collected points wait in a bounded buffer and are written until
// the output accepts them. A point is dropped when the buffer has no room for it, or when the
// output refuses it for good. Each dropped point is counted with its reason: [Status] has an
// [Account] for each namespace, which balances at all times. When [Agent.Post] returns nil,
// the output has acknowledged the points or the store has them.
package agent
