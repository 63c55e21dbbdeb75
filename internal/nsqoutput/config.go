package nsqoutput

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/lodastack/agent/internal/topic"
)

// Format is how points are written into messages.
type Format string

// The formats.
const (
	// Influx is line protocol, one line a point.
	Influx Format = "influx"
	// JSON is the object that the lodastack router reads, one a message.
	JSON Format = "json"
)

// DefaultTopicPrefix is the default of the key output.topicprefix.
const DefaultTopicPrefix = "collect."

// Bounds and defaults of Config.
const (
	defaultTimeout        = 5 * time.Second
	defaultMaxMessageSize = 1 << 20 // nsqd's --max-msg-size
	smallestMessageSize   = 1 << 10
	largestMessageSize    = 64 << 20
)

// Config says which servers an Output writes to, and how.
type Config struct {
	// Servers are the TCP addresses (host:port) of the nsqds, at least one.
	// The points go to any of them, never to several.
	Servers []string
	// TopicPrefix is put before the namespace to make a topic. Empty: no prefix.
	// See DefaultTopicPrefix.
	TopicPrefix string
	// Format of the messages. Empty: Influx.
	Format Format
	// MaxMessageSize is how large a message may be, in bytes, from 1 KiB to
	// 64 MiB. Where nsqd's --max-msg-size is smaller, the output sends smaller
	// messages once nsqd has refused one. Zero: 1 MiB, nsqd's own default.
	MaxMessageSize int
	// Timeout of one attempt at one server, from connecting to the
	// acknowledgement. Zero: 5 s. It is shorter where the remaining servers would
	// otherwise not get their share of the time of Write.
	Timeout time.Duration
	// TLS makes every connection use TLS; a server that does not offer it is
	// not written to. A ServerName that is empty is the server's host. Nil: no
	// TLS.
	TLS *tls.Config
	// AuthSecret is sent to servers that ask for it (nsqd's
	// --auth-http-address). Without TLS it crosses the network in the clear.
	AuthSecret string
	// UserAgent is shown in nsqd's statistics. Empty: lodastack-agent.
	UserAgent string
	// Hostname is shown in nsqd's statistics. Empty: the system's.
	Hostname string
	// Logger logs when a server goes down and when it is up again. Nil: no log.
	Logger *slog.Logger
}

// withDefaults returns c with its zero values replaced.
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

// validate returns everything that is wrong with c in one error.
func (c Config) validate() error {
	faults := &multierror.Error{}
	if len(c.Servers) == 0 {
		faults = multierror.Append(faults, errors.New("servers: none given; name at least one nsqd, as host:4150"))
	}
	for i, addr := range c.Servers {
		if err := checkAddress(addr); err != nil {
			faults = multierror.Append(faults, fmt.Errorf("servers: %w", err))
		}
		if slices.Contains(c.Servers[:i], addr) {
			faults = multierror.Append(faults, fmt.Errorf("servers: %s is named twice; remove one", addr))
		}
	}
	if err := topic.CheckPrefix(c.TopicPrefix); err != nil {
		faults = multierror.Append(faults, fmt.Errorf("topicprefix: %w", err))
	}
	if c.Format != Influx && c.Format != JSON {
		faults = multierror.Append(faults, fmt.Errorf("format: %q is unknown; use %q or %q", c.Format, Influx, JSON))
	}
	if c.MaxMessageSize < smallestMessageSize || c.MaxMessageSize > largestMessageSize {
		faults = multierror.Append(faults, fmt.Errorf(
			"maxmessagesize: %d bytes is out of bounds; use %d to %d", c.MaxMessageSize, smallestMessageSize, largestMessageSize))
	}
	if c.Timeout < 0 {
		faults = multierror.Append(faults, fmt.Errorf("timeout: %v is negative; use 5s, for example", c.Timeout))
	}
	return faults.ErrorOrNil()
}

// checkAddress says what is wrong with the address of a server.
func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is no address; write it as host:4150", addr)
	}
	if host == "" {
		return fmt.Errorf("%q names no host; write it as host:4150", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q has no port from 1 to 65535; nsqd's is 4150", addr)
	}
	return nil
}
