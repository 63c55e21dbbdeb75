package nsqoutput

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/lodastack/agent/internal/hostport"
	"github.com/lodastack/agent/internal/topic"
)

// Values of [Config.Format].
const (
	// Influx is line protocol, one line for each point.
	Influx = "influx"
	// JSON is the object that the lodastack router reads, one in each message.
	JSON = "json"
)

// DefaultTopicPrefix is the default of output.topicprefix.
const DefaultTopicPrefix = "collect."

// Range of [Config.MaxMessageSize], in bytes.
const (
	SmallestMessageSize = 1 << 10
	LargestMessageSize  = 64 << 20
)

const (
	defaultTimeout        = 5 * time.Second
	defaultMaxMessageSize = 1 << 20 // nsqd's --max-msg-size
)

// Config of an [Output]. stock.NSQConfig has the same fields and describes them
// in full.
type Config struct {
	// Servers are the addresses of the nsqds, HOST:PORT. At least one is
	// required.
	Servers []string
	// TopicPrefix and the namespace make the topic.
	TopicPrefix string
	// Format of the messages: [Influx] or [JSON]. Empty: influx.
	Format string
	// MaxMessageSize is the largest message, in bytes. Zero: 1 MiB.
	MaxMessageSize int
	// Timeout of one attempt at one server. Zero: 5 s.
	Timeout time.Duration
	// TLS makes every connection use TLS. Nil: no TLS.
	TLS *tls.Config
	// AuthSecret is sent to servers that ask for one.
	AuthSecret string
	// UserAgent in nsqd's statistics. Empty: lodastack-agent.
	UserAgent string
	// Hostname in nsqd's statistics. Empty: the system's.
	Hostname string
	// Logger for servers that go down or come up. Nil: no logging.
	Logger *slog.Logger
}

// withDefaults returns c with defaults in place of zero values.
func (c Config) withDefaults() Config {
	if c.Format == "" {
		c.Format = Influx
	}
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = defaultMaxMessageSize
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.UserAgent == "" {
		c.UserAgent = "lodastack-agent"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Servers = slices.Clone(c.Servers)
	return c
}

// validate returns all faults of c in one error.
func (c Config) validate() error {
	faults := &multierror.Error{}
	for _, err := range CheckServers(c.Servers) {
		faults = multierror.Append(faults, fmt.Errorf("servers: %w", err))
	}
	if err := topic.CheckPrefix(c.TopicPrefix); err != nil {
		faults = multierror.Append(faults, fmt.Errorf("topicprefix: %w", err))
	}
	if err := CheckFormat(c.Format); err != nil {
		faults = multierror.Append(faults, fmt.Errorf("format: %w", err))
	}
	if c.MaxMessageSize < SmallestMessageSize || c.MaxMessageSize > LargestMessageSize {
		faults = multierror.Append(faults, fmt.Errorf(
			"maxmessagesize: %d bytes is out of bounds; use %d to %d", c.MaxMessageSize, SmallestMessageSize, LargestMessageSize))
	}
	if c.Timeout < 0 {
		faults = multierror.Append(faults, fmt.Errorf("timeout: %v is negative; use 5s, for example", c.Timeout))
	}
	return faults.ErrorOrNil()
}

// CheckServers returns all faults of the servers' addresses.
func CheckServers(addresses []string) (faults []error) {
	if len(addresses) == 0 {
		faults = append(faults, errors.New(`missing; name at least one nsqd, [ "127.0.0.1:4150" ]`))
	}
	for i, address := range addresses {
		if err := hostport.CheckServer(address, "127.0.0.1:4150"); err != nil {
			faults = append(faults, err)
		}
		if slices.Contains(addresses[:i], address) {
			faults = append(faults, fmt.Errorf("%s is named twice", address))
		}
	}
	return faults
}

// CheckFormat reports what is wrong with the name of a format.
func CheckFormat(name string) error {
	if name != Influx && name != JSON {
		return fmt.Errorf("%q is not a format; write %s or %s", name, Influx, JSON)
	}
	return nil
}
