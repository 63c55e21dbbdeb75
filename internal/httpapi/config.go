package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"

	"github.com/lodastack/agent/internal/audit"
	"github.com/lodastack/agent/internal/topic"
)

// Bounds of [Config].MaxBody, in bytes.
const (
	LeastMaxBody   = 1 << 10
	LargestMaxBody = 256 << 20
)

// Config is how an API is served.
type Config struct {
	// Token returns the token that opens control; empty or nil: none does.
	Token func() string
	// Hosts are names that callers may use in the header Host, besides
	// localhost and the host's own name. CheckHost checks them.
	Hosts []string
	// Namespaces are globs ([path.Match]) of namespaces that posts may go to,
	// besides the host's own. CheckNamespaceGlob checks them.
	Namespaces []string
	// MaxBody bounds a post's body, in bytes, from LeastMaxBody to
	// LargestMaxBody.
	MaxBody int64
	// LocalControl says which callers on this host may control the agent without any
	// other proof. Empty means ControlLoopback.
	LocalControl string
	// PluginUsers are the uids of the users that plugins run as, without the agent's
	// own. They may control nothing, even with a token. If there are none, the users
	// of callers over TCP are not looked up.
	PluginUsers []int
	// PluginUserRanges are more such uids.
	PluginUserRanges []UIDRange
	// NoCalls refuses runs of plugins.
	NoCalls bool
	// Audit gets a line for each control call and each refused request.
	Audit  audit.Log
	Logger *slog.Logger
}

// UIDRange are the uids from First to Last.
type UIDRange struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// Values of [Config].LocalControl.
const (
	ControlLoopback = "loopback" // callers over a loopback address or a unix socket
	ControlSocket   = "socket"   // callers over a unix socket
	ControlToken    = "token"    // none: control takes a token or a certificate
)

// CheckLocalControl returns what is wrong with a value of Config.LocalControl.
func CheckLocalControl(value string) error {
	switch value {
	case "", ControlLoopback, ControlSocket, ControlToken:
		return nil
	}
	return fmt.Errorf("%q does not say who may control the agent; write %s, %s or %s", value, ControlLoopback, ControlSocket, ControlToken)
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{MaxBody: 16 << 20, Logger: slog.New(slog.DiscardHandler)} }

// CheckHost returns what is wrong with a name of Config.Hosts.
func CheckHost(name string) error {
	if name == "" || strings.ContainsAny(name, "/:@ ") {
		return fmt.Errorf("%q is not a host name; write it without a port", name)
	}
	return nil
}

// CheckNamespaceGlob returns what is wrong with a glob of Config.Namespaces.
func CheckNamespaceGlob(glob string) error {
	if glob == "" {
		return errors.New(`an empty glob matches no namespace; write a name, or a pattern such as "shop.*"`)
	}
	if _, err := path.Match(glob, ""); err != nil {
		return fmt.Errorf("%q is not a glob: %w; * stands for any characters, ? for one, [a-z] for one of these", glob, err)
	}
	literal := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`*?[]^\`, r) {
			return 'x'
		}
		return r
	}, glob)
	if err := topic.CheckNamespace("", literal); err != nil && len(literal) <= topic.MaxLength {
		return fmt.Errorf("%q matches no namespace: these consist of a-z A-Z 0-9 . _ -", glob)
	}
	return nil
}
