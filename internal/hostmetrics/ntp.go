package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/beevik/ntp"
	"github.com/lodastack/agent"
)

const (
	// defaultNTPServer is asked if no server is configured.
	defaultNTPServer = "pool.ntp.org"
	// ntpTimeout is the timeout of one address of a server.
	ntpTimeout = 3 * time.Second
	ntpPort    = "123"
)

// clock measures how wrong the host's clock is.
type clock struct {
	servers []string // empty: the default
	noNTP   bool     // no server is asked
	log     *slog.Logger
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
	kernel  func(*points) // adds what the kernel knows of its clock
	silent  bool          // the default server did not answer the last time
}

func newClock(c Config) *clock {
	return &clock{servers: c.NTPServers, noNTP: c.NoNTP, log: c.Logger, lookup: net.DefaultResolver.LookupNetIP, kernel: addKernelClock}
}

// Collect returns what the kernel knows of its clock, and the offset from the
// first server that answers: the time to add to the host's clock to get the
// server's. See RFC 5905.
func (c *clock) Collect(ctx context.Context) ([]agent.Metric, error) {
	var p points
	c.kernel(&p)
	err := c.addOffset(ctx, &p)
	return p, err
}

func (c *clock) addOffset(ctx context.Context, p *points) error {
	if c.noNTP {
		return nil
	}
	if len(c.servers) > 0 {
		return c.ask(ctx, c.servers, p)
	}
	err := c.ask(ctx, []string{defaultNTPServer}, p)
	if err != nil && !c.silent && ctx.Err() == nil {
		c.log.Info("time.offset is not measured: set time.servers to NTP servers that this host can reach", "error", err)
	}
	c.silent = err != nil
	return nil
}

func (c *clock) ask(ctx context.Context, servers []string, p *points) error {
	var errs []error
	for _, server := range servers {
		offset, err := c.askServer(ctx, server)
		if err == nil {
			p.add("time.offset", offset.Seconds(), nil)
			return nil
		}
		errs = append(errs, fmt.Errorf("asking the NTP server %s: %w", server, err))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// askServer asks the addresses of the server one after the other until one
// answers.
func (c *clock) askServer(ctx context.Context, server string) (time.Duration, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = server, ntpPort
	}
	addresses, err := c.resolve(ctx, host)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, address := range addresses {
		offset, err := askNTP(ctx, net.JoinHostPort(address.String(), port))
		if err == nil {
			return offset, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return 0, errors.Join(errs...)
}

// resolve returns the addresses of the server, IPv6 and IPv4 in turn and IPv6
// first. So a host whose IPv6 does not work waits for one timeout, not for one
// at each address.
func (c *clock) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []netip.Addr{address}, nil
	}
	limited, cancel := context.WithTimeout(ctx, ntpTimeout)
	defer cancel()
	all, err := c.lookup(limited, "ip", host)
	if err != nil {
		return nil, err
	}
	var v6, v4, mixed []netip.Addr
	for _, address := range all {
		if address = address.Unmap(); address.Is4() {
			v4 = append(v4, address)
		} else {
			v6 = append(v6, address)
		}
	}
	for i := range max(len(v6), len(v4)) {
		mixed = append(mixed, v6[min(i, len(v6)):min(i+1, len(v6))]...)
		mixed = append(mixed, v4[min(i, len(v4)):min(i+1, len(v4))]...)
	}
	return mixed, nil
}

// askNTP asks the server at an address with a port.
func askNTP(ctx context.Context, address string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, ntpTimeout)
	defer cancel()
	stop := func() bool { return true }
	defer func() { stop() }()
	answer, err := ntp.QueryWithOptions(address, ntp.QueryOptions{
		Timeout: ntpTimeout,
		Dialer: func(_, address string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "udp", address)
			if err == nil {
				// The query has no context. Closing the connection ends it.
				stop = context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		},
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", address, err)
	}
	if err := answer.Validate(); err != nil {
		return 0, fmt.Errorf("%s: %w", address, err)
	}
	return answer.ClockOffset, nil
}
