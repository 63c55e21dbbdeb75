package agent

import (
	"errors"
	"time"
)

// StatsdStatus tells about a statsd listener: see [WithStatsd]. Its numbers count since the
// listener was opened.
type StatsdStatus struct {
	// Address is where it listens: HOST:PORT or the path of a socket.
	Address string `json:"address"`
	// Namespace that its metrics went to last. Empty: to none yet.
	Namespace string `json:"namespace,omitempty"`
	// Packets that were read, and those that the kernel dropped because its buffer was
	// full. Only Linux counts the latter.
	Packets        int64 `json:"packets"`
	PacketsDropped int64 `json:"packets_dropped"`
	// Samples that count, those for which there was no room, and lines that are no
	// samples: bad ones, and events and service checks.
	Samples          int64 `json:"samples"`
	SamplesDropped   int64 `json:"samples_dropped"`
	BadLines         int64 `json:"bad_lines"`
	UnsupportedLines int64 `json:"unsupported_lines"`
	// Series that there are now.
	Series int `json:"series"`
	// Points that the agent took, and those that it refused for good or that did not get
	// out before a stop.
	Points     int64 `json:"points"`
	PointsLost int64 `json:"points_lost"`
	// Flushed is when the points of an interval were last taken.
	Flushed time.Time `json:"flushed,omitzero"`
	// Problems has a sentence for each thing that is wrong now, or was in the last
	// interval.
	Problems []string `json:"problems,omitempty"`
}

// WithStatsd makes [Status] tell about a statsd listener, whose metrics the agent gets with
// [Agent.Post]. look returns its status, nil while there is none. It is called from any
// goroutine and must return at once.
func WithStatsd(look func() *StatsdStatus) Option {
	return onlyNew("WithStatsd", func(c *config) error {
		if look == nil {
			return errors.New("WithStatsd: the function is nil")
		}
		c.statsd = look
		return nil
	})
}
