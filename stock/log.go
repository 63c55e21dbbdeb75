package stock

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/lodastack/agent/internal/logfile"
)

// Log is where the agent logs, as its config says. It can be configured anew
// while it is used.
type Log struct {
	// Logger writes to the log.
	Logger *slog.Logger

	level slog.LevelVar
	sink  sink
}

// OpenLog opens LogDir/agent.log, or standard error where there is no LogDir.
func OpenLog(cfg LogConfig) (*Log, error) {
	l := &Log{}
	l.Logger = slog.New(slog.NewTextHandler(&l.sink, &slog.HandlerOptions{Level: &l.level}))
	if err := l.Reopen(cfg); err != nil {
		return nil, err
	}
	return l, nil
}

// Reopen makes the log follow another config. Where it cannot be opened the
// log stays what it was.
func (l *Log) Reopen(cfg LogConfig) error {
	var w io.WriteCloser
	if cfg.LogDir != "" {
		file, err := logfile.Open(logfile.Config{
			Path:    filepath.Join(cfg.LogDir, "agent.log"),
			MaxSize: cfg.LogRotateSize,
			Keep:    cfg.LogRotateNum,
		})
		if err != nil {
			return fmt.Errorf("log.logdir: %w", err)
		}
		w = file
	}
	l.level.Set(cfg.Level)
	return l.sink.change(w)
}

// Close closes the log file. What is logged afterwards goes to standard error.
func (l *Log) Close() error { return l.sink.change(nil) }

// sink is a writer that can be exchanged.
type sink struct {
	mu sync.Mutex
	w  io.WriteCloser // guarded by mu; nil: standard error
}

func (s *sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return os.Stderr.Write(line)
	}
	return s.w.Write(line)
}

func (s *sink) change(w io.WriteCloser) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.w
	s.w = w
	if old == nil {
		return nil
	}
	return old.Close()
}
