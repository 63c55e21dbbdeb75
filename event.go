package agent

import "log/slog"

// EventKey is the key of the attribute that tells a program what a log line is
// about. The value is one of the other constants whose names begin with Event; it
// and the attributes that the constant names are part of the API. Messages, and
// lines without the attribute, are for people and may change.
//
// A program that acts on events gives [WithLogger] a logger whose [slog.Handler]
// looks for the attribute and passes the record on. The handler is called from
// any goroutine, and may call the agent's methods.
const EventKey = "event"

// Events of which the log tells at INFO or above.
const (
	EventStarted            = "started"             // host, version
	EventStopping           = "stopping"            // the context of Run has ended
	EventRegistryFailed     = "registry_failed"     // error; once, until the error is another
	EventRegistryRecovered  = "registry_recovered"  //
	EventHostUnknown        = "host_unknown"        // old, new: the host is reported as a new one
	EventCollectorFailed    = "collector_failed"    // kind, error; once, until the error is another
	EventCollectorRecovered = "collector_recovered" // kind
	EventPluginFailed       = "plugin_failed"       // plugin, result, error, stderr; once, until it works again
	EventPluginRecovered    = "plugin_recovered"    // plugin
	EventPluginNotFetched   = "plugin_not_fetched"  // plugin, repo, error; once, until the error is another
	EventPluginEnabled      = "plugin_enabled"      // plugin; a day after it was disabled
	EventMetricsInvalid     = "metrics_invalid"     // kind or plugin, count, error; once for each
	EventOutputDown         = "output_down"         // error
	EventOutputUp           = "output_up"           // waiting: points that are still to be delivered
	EventPointsRefused      = "points_refused"      // namespace, points, reason, error; once an hour for each
	EventPointsLost         = "points_lost"         // points, reason; at the start, where a killed agent had them
	EventBufferFull         = "buffer_full"         // limit; once, until there is room again
)

// Events of which the log tells at DEBUG. took is a duration.
const (
	EventRegistryAsked  = "registry_asked"  // took, namespaces, plugins, error where there is one
	EventPluginRan      = "plugin_ran"      // plugin, type, result, took, metrics
	EventBatchDelivered = "batch_delivered" // namespace, points, took
	EventPostTaken      = "post_taken"      // namespace, metrics, took
	EventStoreUsed      = "store_used"      // points: the first that the store keeps
	EventStoreEmptied   = "store_emptied"   //
)

// event returns the attribute of an event.
func event(name string) slog.Attr { return slog.String(EventKey, name) }
