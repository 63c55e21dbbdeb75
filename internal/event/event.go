// Package event has the names of the events in the log. The root package makes them part
// of its API and documents their attributes. The packages below it use them, too.
package event

import "log/slog"

// Key is the key of the attribute that names an event.
const Key = "event"

// Events.
const (
	Started            = "started"
	Stopping           = "stopping"
	RegistryFailed     = "registry_failed"
	RegistryRecovered  = "registry_recovered"
	HostUnknown        = "host_unknown"
	CollectorFailed    = "collector_failed"
	CollectorRecovered = "collector_recovered"
	PluginFailed       = "plugin_failed"
	PluginRecovered    = "plugin_recovered"
	PluginNotFetched   = "plugin_not_fetched"
	PluginChanged      = "plugin_changed"
	PluginEnabled      = "plugin_enabled"
	MetricsInvalid     = "metrics_invalid"
	OutputDown         = "output_down"
	OutputUp           = "output_up"
	PointsRefused      = "points_refused"
	PointsLost         = "points_lost"
	StoreUnusable      = "store_unusable"
	BufferFull         = "buffer_full"
	RegistryAsked      = "registry_asked"
	PluginRan          = "plugin_ran"
	BatchDelivered     = "batch_delivered"
	PostTaken          = "post_taken"
	StoreUsed          = "store_used"
	StoreEmptied       = "store_emptied"
)

// Attr returns the attribute that names an event.
func Attr(name string) slog.Attr { return slog.String(Key, name) }
