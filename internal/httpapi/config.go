package httpapi

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strings"

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
	// localhost and the host's own name. CheckHost judges them.
	Hosts []string
	// Namespaces are globs ([path.Match]) of namespaces that posts may go to,
	// besides the host's own. CheckNamespaceGlob judges them.
	Namespaces []string
	// MaxBody bounds a post's body, in bytes, from LeastMaxBody to
	// LargestMaxBody.
	MaxBody int64
	// Audit gets a line of JSON for each control call and each refused request,
	// in one Write each, from any goroutine. Nil: the Logger gets them.
	Audit  io.Writer
	Logger *slog.Logger
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
