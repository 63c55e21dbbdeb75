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
// Registry to schedule to metrics to output, one way.
//
//	Registry       asked at the start, every 10 minutes, by Agent.Update and when a Watcher says so
//	   │           validated item by item; doubted if it takes away most of what runs
//	   ▼ assignments
//	schedule       starts collectors and plugins at their times
//	   ├─────────────┐
//	   ▼             ▼
//	Collector     PluginRunner
//	   │             │
//	   │   POST /post, /write, /v1/metrics, Agent.Post, Agent.Send: these wait until the points are safe
//	   │             │     │
//	   └──────┬──────┴─────┘
//	          ▼ metrics
//	normalise      names, tags and times; what cannot be sent is left out and counted
//	          │
//	          ▼ batches
//	delivery       merged, written, retried, halved if refused as a whole, counted
//	          ├──► Store, while the output is down
//	          ▼
//	        Output
//
// # Where things are
//
// The nouns. Each file has an interface, its types, how the agent calls it, and what it
// reports about itself:
//
//	metric.go          Metric, Batch; how a metric becomes one that can be sent
//	registry.go        Registry, Assignment, Port, Process
//	registries.go      several registries as one
//	collector.go       Collector, AssignmentCollector; a run of one, and its status
//	plugin.go          Plugin, PluginRunner and its optional interfaces
//	pluginstatus.go    PluginStatus, PluginDetails, PluginResult
//	output.go          Output, PermanentError
//	writeroutput.go    NewWriterOutput
//	store.go           Store, DiskDetails
//	parts.go           what calls of all parts share: panics, time limits, the logger
//	hanging.go         calls that do not return
//
// The loop:
//
//	agent.go           Agent, New, Run; apply puts assignments in force
//	update.go          a conversation with the registry, and what its answer changes
//	host.go            the host's name and addresses, which the registry is told
//	report.go          reports about the host, and a host that has another name now
//	validate.go        what an answer may contain: CheckPlugin, CheckPort, CheckProcess
//	partial.go         an answer that lacks namespaces: what is known of them stays
//	doubt.go           an answer that would remove more than half
//	state.go           what the agent remembers over a restart, see below
//	plugins.go         the plugins of the assignments that run, conflicts
//	pluginoutput.go    what a plugin prints, made metrics
//	plugincalls.go     RunPlugin, UpdatePlugin, DisablePlugin and others
//	post.go            Post, Send; what is refused of a post
//	delivery.go        Account; the delivery engine, made for metrics; its producers' way in
//	shutdown.go        what of the agent ends in which order, and how long each may take. The
//	                   daemon around it (API, statsd, log) ends in package stock, generation.stop
//
// Options are in options.go and apioptions.go (for [Agent.Handler]), or beside what they are
// about (build.go, statsd.go, explain.go). settings.go has what [Agent.Reconfigure] can change,
// and [SplitOptions].
//
// What people see: status.go and wrong.go (the status, and what of it is wrong), httpapi.go (the
// agent as its HTTP API sees it), explain.go (why a name does or does not arrive), plan.go and
// planchanges.go (what an update would change), check.go (whether the agent is alive), event.go
// (events in the log), statsd.go and build.go.
//
// What knows none of these nouns is below: internal/schedule (when things run),
// internal/plugins (plugins that run and are called), internal/delivery (how points wait and
// leave), internal/recent (the last points, for people to look at), internal/httpapi,
// internal/explain.
//
// # Five ways through the code
//
//   - An answer of the registry: update.go (converse, hear, take, consider), validate.go (validate),
//     doubt.go (doubt), agent.go (apply), internal/schedule.
//   - A measurement: collector.go (collect), metric.go (list), delivery.go
//     (addToAll), internal/delivery (Add), output.go (outputPart.write).
//   - A plugin's output: internal/plugins, pluginoutput.go (decode; PluginOutput.add leaves out what
//     cannot be sent), delivery.go (normaliseAndAdd). Formats other than JSON get valid names first,
//     in internal/pluginoutput.
//   - POST /post: internal/httpapi, httpapi.go (apiAgent.Post), post.go (send), internal/delivery
//     (Write), which returns once the output has acknowledged the points or the store has them.
//     There it goes through lane.serve and deliver to the output, or else through storage.put to
//     the goroutine of the store (storage.run). If one metric is bad, /post takes none (400). At
//     /write and /v1/metrics the good ones are sent (sendGood), and the answer names the others:
//     400 "partial write", or rejected data points. What the output refuses comes back by
//     internal/delivery (settle, Refusal.within), post.go (asPostError) and httpapi.go (posted).
//   - What people see: post.go and delivery.go give each point to internal/recent, from which /me/stream
//     and /me/points have it; [Agent.Status] and [Status.Wrong] are what a status says.
//
// # Parts that fail
//
// [New] wraps each part once, to turn its panics into errors and to bound the calls that have
// no context. A call with a context must obey it. An output that does not obey its context delays
// only the namespace that it was writing, whose points go to the store or wait in the buffer; a
// store delays only what it should keep, a collector or a plugin runner only its own runs. A run
// has a little less time than its interval, and a start that comes while the one before goes on is
// skipped. The status names a call that hangs.
//
// # What survives a kill
//
// In the directory of [WithStateDir]: the assignments, the last accepted report and the identity
// of the machine (state.go), the accounts (internal/delivery), which the first use of the engine
// reads, and the plugins that are disabled for a day (internal/plugins). In the [Store]: points. Points in memory do not; the next start
// counts them as dropped.
//
// # Promises
//
// A metric that cannot be sent is left out: it is counted in the status of what made it, or
// refused if it was posted. Collected points wait in a bounded buffer and are written until
// the output accepts them. The oldest are dropped if the buffer has no room for new ones
// (buffer_full). A point is dropped if the output refuses it for good. A post that finds the output
// down and no store fails, and counts nowhere: its caller sends it again. Each dropped point is counted with its reason: [Status] has an
// [Account] for each namespace, which balances at all times. The account of a namespace that is not
// the host's any more stays for an hour after its last point, and then counts only in the sum. When [Agent.Post] returns nil,
// the output has acknowledged the points or the store has them.
package agent
