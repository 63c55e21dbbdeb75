package stock

import (
	"errors"
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
	// Audit takes the lines of the audit log: LogDir/audit.log, or the log
	// itself where there is no LogDir.
	Audit io.Writer

	level     slog.LevelVar
	sink      sink
	auditSink sink
}

// OpenLog opens LogDir/agent.log and LogDir/audit.log, or standard error where there is no LogDir.
func OpenLog(cfg LogConfig) (*Log, error) {
	l := &Log{}
	l.auditSink.otherwise, l.Audit = &l.sink, &l.auditSink
	l.Logger = slog.New(slog.NewTextHandler(&l.sink, &slog.HandlerOptions{Level: &l.level}))
	if err := l.Reopen(cfg); err != nil {
		return nil, err
	}
	return l, nil
}

// Reopen makes the log follow another config. Where it cannot be opened the
// log stays what it was.
func (l *Log) Reopen(cfg LogConfig) error {
	var log, audit io.WriteCloser
	if cfg.LogDir != "" {
		logFile, err := openLogFile(cfg, "agent.log")
		if err != nil {
			return err
		}
		auditFile, err := openLogFile(cfg, "audit.log")
		if err != nil {
			return errors.Join(err, logFile.Close())
		}
		log, audit = logFile, auditFile
	}
	l.level.Set(cfg.Level)
	return errors.Join(l.auditSink.change(audit), l.sink.change(log))
}

func openLogFile(cfg LogConfig, name string) (*logfile.File, error) {
	file, err := logfile.Open(logfile.Config{
		Path:    filepath.Join(cfg.LogDir, name),
		MaxSize: cfg.LogRotateSize,
		Keep:    cfg.LogRotateNum,
	})
	if err != nil {
		return nil, fmt.Errorf("log.logdir: %w", err)
	}
	return file, nil
}

// Close closes the log files. What is logged afterwards goes to standard error.
func (l *Log) Close() error { return errors.Join(l.auditSink.change(nil), l.sink.change(nil)) }

// sink is a writer that can be exchanged.
type sink struct {
	otherwise io.Writer // takes what is written while w is nil; nil: standard error

	mu sync.Mutex
	w  io.WriteCloser // guarded by mu
}

func (s *sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.w != nil:
		return s.w.Write(line)
	case s.otherwise != nil:
		return s.otherwise.Write(line)
	}
	return os.Stderr.Write(line)
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
