package httpapi

import (
	"fmt"
	"log/slog"
	"strings"
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
	// localhost and the host's own name. CheckHost judges them.
	Hosts []string
	// MaxBody bounds a post's body, in bytes, from LeastMaxBody to
	// LargestMaxBody.
	MaxBody int64
	Logger  *slog.Logger
}

// DefaultConfig returns what holds where nothing else is said.
func DefaultConfig() Config { return Config{MaxBody: 16 << 20, Logger: slog.New(slog.DiscardHandler)} }

// CheckHost returns what is wrong with a name of Config.Hosts.
func CheckHost(name string) error {
	if name == "" || strings.ContainsAny(name, "/:@ ") {
		return fmt.Errorf("%q is not a host name; write it without a port", name)
	}
	return nil
}
