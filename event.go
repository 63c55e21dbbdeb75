package agent

import "github.com/lodastack/agent/internal/event"

// EventKey is the key of the attribute that tells a program what a log line is about. The
// value is one of the other constants whose names begin with Event. It and the attributes
// in the constant's comment are part of the API. Messages, and lines without the attribute,
// are for people and may change.
//
// A program that acts on events gives [WithLogger] a logger whose [slog.Handler]
// looks for the attribute and passes the record on. The handler is called from
// any goroutine, and may call the agent's methods. Records that come while it
// takes longer than a second for one are dropped.
const EventKey = event.Key

// Events that are logged at INFO or above.
const (
	EventStarted            = event.Started            // host, version
	EventStopping           = event.Stopping           // the context of Run has ended
	EventRegistryFailed     = event.RegistryFailed     // error; once, until the error is another
	EventRegistryRecovered  = event.RegistryRecovered  //
	EventHostUnknown        = event.HostUnknown        // old, new: the host is reported as a new one
	EventCollectorFailed    = event.CollectorFailed    // kind, error; once, until the error is another
	EventCollectorRecovered = event.CollectorRecovered // kind
	EventPluginFailed       = event.PluginFailed       // plugin, result, error, stderr; once, until it works again
	EventPluginRecovered    = event.PluginRecovered    // plugin
	EventPluginNotFetched   = event.PluginNotFetched   // plugin, repo, error; once, until the error is another
	EventPluginChanged      = event.PluginChanged      // plugin, repo, by, from, to, signer: commits; empty: none was, or is, installed
	EventPluginEnabled      = event.PluginEnabled      // plugin; a day after it was disabled
	EventMetricsInvalid     = event.MetricsInvalid     // kind or plugin, count, error; once for each
	EventOutputDown         = event.OutputDown         // error
	EventOutputUp           = event.OutputUp           // waiting: points that are still to be delivered
	EventPointsRefused      = event.PointsRefused      // namespace, points, reason, error; once an hour for each
	EventPointsLost         = event.PointsLost         // points, reason; at the start, if a killed agent had them
	EventStoreUnusable      = event.StoreUnusable      // error; at the start, if the store does not say what it keeps
	EventBufferFull         = event.BufferFull         // limit; once, until there is room again
)

// Events that are logged at DEBUG. took is a duration.
const (
	EventRegistryAsked  = event.RegistryAsked  // took, namespaces, plugins, error if there is one
	EventPluginRan      = event.PluginRan      // plugin, type, result, took, metrics
	EventBatchDelivered = event.BatchDelivered // namespace, points, took
	EventPostTaken      = event.PostTaken      // namespace, metrics, took; of Post and of Send
	EventStoreUsed      = event.StoreUsed      // points: the first that the store keeps
	EventStoreEmptied   = event.StoreEmptied   //
)
