package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/lodastack/agent/internal/httpapi"
)

// WithControlToken lets callers of [Agent.Handler] from other hosts control
// the agent (update, rollback, run, enable and disable) when they send the header
// "Authorization: Bearer TOKEN". token is called for every such request, from
// any goroutine, so that a new token is in force at once. While it returns the empty string,
// which is the default, no token is accepted.
func WithControlToken(token func() string) Option {
	return func(c *config) error {
		if token == nil {
			return errors.New("WithControlToken: the function is nil")
		}
		c.api.Token = token
		return nil
	}
}

// WithLocalControl says which callers of [Agent.Handler] on this host may control the agent
// without any other proof: "loopback" (the default) those over a loopback address or a unix
// socket, "socket" only those over a unix socket, "token" none.
func WithLocalControl(how string) Option {
	return func(c *config) error {
		if err := httpapi.CheckLocalControl(how); err != nil {
			return fmt.Errorf("WithLocalControl: %w", err)
		}
		c.api.LocalControl = how
		return nil
	}
}

// WithPluginUsers names users, by their uids, that plugins run as. As callers of
// [Agent.Handler] they may never control the agent. A caller without a token or certificate
// whose user cannot be found may not either, so the server must use [ConnContext]. Do not
// name the agent's own user, because other callers run as it, too. By default there are no
// such users, and the users of callers are not looked up.
func WithPluginUsers(uids ...int) Option {
	return func(c *config) error {
		for _, uid := range uids {
			if uid < 0 {
				return fmt.Errorf("WithPluginUsers: %d is not a uid", uid)
			}
		}
		c.api.PluginUsers = slices.Concat(c.api.PluginUsers, uids)
		return nil
	}
}

// WithPluginUserRange names users as [WithPluginUsers] does: all uids from first to last.
func WithPluginUserRange(first, last int) Option {
	return func(c *config) error {
		if first < 0 || last < first {
			return fmt.Errorf("WithPluginUserRange: %d to %d is not a range of uids", first, last)
		}
		c.api.PluginUserRanges = append(slices.Clip(c.api.PluginUserRanges), httpapi.UIDRange{First: first, Last: last})
		return nil
	}
}

// ConnContext lets [Agent.Handler] find the user of a caller on this host. It is
// for [http.Server.ConnContext].
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return httpapi.ConnContext(ctx, conn)
}

// WithoutPluginCalls makes [Agent.Handler] refuse to run plugins on demand.
// [Agent.RunPlugin] still works.
func WithoutPluginCalls() Option {
	return func(c *config) error {
		c.api.NoCalls = true
		return nil
	}
}

// WithoutPage makes the agent remember nothing of the points that pass.
// [Agent.Handler] then has no page, last values and history (/, /me/points,
// /me/history and /metrics/host), which else take at most 2 MiB on a host with
// the default measurements.
func WithoutPage() Option {
	return onlyNew("WithoutPage", func(c *config) error {
		c.noPage = true
		return nil
	})
}

// WithAPIHosts adds names under which callers may address [Agent.Handler] in
// their Host header, without port. IP addresses, localhost and the host's own
// name are always good. Any other name is refused, because it may be one that
// a web page let resolve to this host (DNS rebinding).
func WithAPIHosts(names ...string) Option {
	return func(c *config) error {
		for _, name := range names {
			if err := httpapi.CheckHost(name); err != nil {
				return fmt.Errorf("WithAPIHosts: %w", err)
			}
		}
		c.api.Hosts = slices.Concat(c.api.Hosts, names)
		return nil
	}
}

// WithAPINamespaces lets callers of [Agent.Handler] post to namespaces that are not the
// host's own, if they match one of the globs ([path.Match]). By default there are no globs.
func WithAPINamespaces(globs ...string) Option {
	return func(c *config) error {
		for _, glob := range globs {
			if err := httpapi.CheckNamespaceGlob(glob); err != nil {
				return fmt.Errorf("WithAPINamespaces: %w", err)
			}
		}
		c.api.Namespaces = slices.Concat(c.api.Namespaces, globs)
		return nil
	}
}

// WithAuditLog makes the agent write a line of JSON to w for each call of
// [Agent.Handler] that controls the agent, for each request that it refuses, for
// each plugin that the host's own config refuses, and for each change of an
// installed version. The keys are time, who ("uid 1000", "certificate SUBJECT",
// "token", "loopback" or "unknown"; "registry", "update" or "rollback" if that
// changed a version), from ("agent" for what it did itself), what and
// result. Each line is one Write, from any goroutine, and the request waits for it. By
// default the lines go to the logger.
func WithAuditLog(w io.Writer) Option {
	return onlyNew("WithAuditLog", func(c *config) error {
		if w == nil {
			return errors.New("WithAuditLog: the writer is nil")
		}
		c.audit.Writer = w
		return nil
	})
}

// WithMaxBody bounds the body of a post, in bytes, both as sent and decompressed. From 1 KiB
// to 256 MiB; the default is 16 MiB. All posts together take at most about six times as much
// memory; further ones are answered with 503.
func WithMaxBody(bytes int64) Option {
	return func(c *config) error {
		if bytes < httpapi.LeastMaxBody || bytes > httpapi.LargestMaxBody {
			return fmt.Errorf("WithMaxBody: %d bytes are not within 1 KiB and 256 MiB", bytes)
		}
		c.api.MaxBody = bytes
		return nil
	}
}
