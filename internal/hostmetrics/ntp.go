package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/beevik/ntp"
	"github.com/lodastack/agent"
)

// ntpTimeout is the time limit of one server.
const ntpTimeout = 5 * time.Second

// clock measures how wrong the host's clock is.
type clock struct{ servers []string }

// Collect returns the offset that the first server gives that answers: what
// has to be added to the host's time to get the server's. See RFC 5905.
func (c clock) Collect(ctx context.Context) ([]agent.Metric, error) {
	var errs []error
	for _, server := range c.servers {
		offset, err := askNTP(ctx, server)
		if err == nil {
			var p points
			p.add("time.offset", offset.Seconds(), nil)
			return p, nil
		}
		errs = append(errs, fmt.Errorf("asking the NTP server %s: %w", server, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func askNTP(ctx context.Context, server string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, ntpTimeout)
	defer cancel()
	stop := func() bool { return true }
	defer func() { stop() }()
	answer, err := ntp.QueryWithOptions(server, ntp.QueryOptions{
		Timeout: ntpTimeout,
		Dialer: func(_, address string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "udp", address)
			if err == nil {
				// The query takes no context; a closed connection ends it.
				stop = context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		},
	})
	if err != nil {
		return 0, err
	}
	return answer.ClockOffset, answer.Validate()
}
