package stock

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/spool"
)

// SpoolConfig says in which directory points are kept, and how many.
type SpoolConfig struct {
	// Dir is a directory that belongs to this spool alone. It is made if
	// missing. Required.
	Dir string
	// MaxSize bounds the files of undelivered points, in bytes; the oldest are
	// dropped first. Up to three damaged files come on top. Less than 1 MiB is
	// raised to that. Zero: 1 GiB.
	MaxSize int64
	// MaxAge bounds how long points wait. They are dropped when they are
	// between 1 and 9/8 of it old. Zero: 7 days.
	MaxAge time.Duration
	// Logger for problems with the files. Nil: nothing is logged.
	Logger *slog.Logger
}

// Spool opens a store in cfg.Dir. It keeps the points there while the output is down, to
// deliver them later. See [agent.WithStore]. An agent closes it after its run.
func Spool(cfg SpoolConfig) (agent.Store, error) {
	store, err := spool.Open(spool.Config(cfg))
	if err != nil {
		return nil, err
	}
	return store, nil
}

// hasSpool reports whether the config wants points kept on disk.
func (c Config) hasSpool() bool { return c.Output.Name != outputStdout && c.Output.SpoolSize > 0 }

// spoolConfig returns the part of the config about points on disk.
func spoolConfig(cfg Config, logger *slog.Logger) SpoolConfig {
	return SpoolConfig{
		Dir:     filepath.Join(cfg.DataDir(), "spool"),
		MaxSize: cfg.Output.SpoolSize,
		MaxAge:  cfg.Output.SpoolAge,
		Logger:  logger,
	}
}
