package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// apiConfig is what the options have said about [Agent.Handler].
type apiConfig struct {
	token   func() string // nil: no token opens control
	hosts   []string      // lower case
	maxBody int64         // bytes
}

func defaultAPIConfig() apiConfig { return apiConfig{maxBody: 16 << 20} }

// WithControlToken lets callers of [Agent.Handler] from other hosts control
// the agent (update, run, enable and disable) when they send the header
// "Authorization: Bearer TOKEN". token is called for every such request, from
// any goroutine, so that a new token is in force at once; while it returns
// the empty string, no token opens anything. By default none does.
func WithControlToken(token func() string) Option {
	return func(c *config) error {
		if token == nil {
			return errors.New("WithControlToken: the function is nil")
		}
		c.api.token = token
		return nil
	}
}

// WithAPIHosts adds names under which callers may address [Agent.Handler] in
// their Host header, without port. IP addresses, localhost and the host's own
// name are always good. Any other name is refused, because it may be one that
// a web page let resolve to this host (DNS rebinding).
func WithAPIHosts(names ...string) Option {
	return func(c *config) error {
		for _, name := range names {
			if name == "" || strings.ContainsAny(name, "/:@ ") {
				return fmt.Errorf("WithAPIHosts: %q is not a host name without port", name)
			}
			c.api.hosts = append(c.api.hosts, hostKey(name))
		}
		slices.Sort(c.api.hosts)
		c.api.hosts = slices.Compact(c.api.hosts)
		return nil
	}
}

// WithMaxBody bounds the body of a post, in bytes as sent and also after gzip
// is undone. From 1 KiB to 256 MiB; the default is 16 MiB. All posts together
// hold at most about six times as much in memory; those beyond are answered
// with 503.
func WithMaxBody(bytes int64) Option {
	return func(c *config) error {
		if bytes < 1<<10 || bytes > 256<<20 {
			return fmt.Errorf("WithMaxBody: %d bytes are not within 1 KiB and 256 MiB", bytes)
		}
		c.api.maxBody = bytes
		return nil
	}
}
