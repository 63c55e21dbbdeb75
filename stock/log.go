package stock

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/lodastack/agent/internal/logfile"
	"github.com/lodastack/agent/internal/safedir"
)

// logName is the file in the log directory.
const logName = "agent.log"

// Log is where the agent logs, as its config says. It can be configured anew
// while it is used. Reopen and Close are not safe for concurrent use.
type Log struct {
	// Logger writes to the log.
	Logger *slog.Logger

	level slog.LevelVar
	sink  sink
	dir   string         // of the log file; empty: standard error
	owned *safedir.Owned // the directory
}

// OpenLog opens LogDir/agent.log, or standard error where there is no LogDir.
// A directory that another process owns is refused.
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
	owned := l.owned
	if cfg.LogDir != l.dir {
		var err error
		if owned, err = ownLogDir(cfg.LogDir); err != nil {
			return err
		}
	}
	var w io.WriteCloser
	if cfg.LogDir != "" {
		file, err := logfile.Open(logfile.Config{
			Path:    filepath.Join(cfg.LogDir, logName),
			MaxSize: cfg.LogRotateSize,
			Keep:    cfg.LogRotateNum,
		})
		if err != nil {
			if owned != l.owned {
				err = errors.Join(err, owned.Close())
			}
			return fmt.Errorf("log.logdir: %w", err)
		}
		w = file
	}
	l.level.Set(cfg.Level)
	err := l.sink.change(w)
	if owned != l.owned {
		err = errors.Join(err, l.owned.Close())
	}
	l.dir, l.owned = cfg.LogDir, owned
	return err
}

// ownLogDir takes the directory of the log for this process. On a full disk it
// goes without a lock: the log must not keep the agent from starting.
func ownLogDir(dir string) (*safedir.Owned, error) {
	if dir == "" {
		return nil, nil
	}
	owned, err := safedir.Own(safedir.Dir{Path: dir, Key: "log.logdir", Perm: 0o755})
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil, nil
	}
	return owned, err
}

// Close closes the log file and gives up its directory. What is logged
// afterwards goes to standard error.
func (l *Log) Close() error {
	err := errors.Join(l.sink.change(nil), l.owned.Close())
	l.dir, l.owned = "", nil
	return err
}

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
