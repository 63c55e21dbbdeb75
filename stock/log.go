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
	"github.com/lodastack/agent/internal/pipewriter"
	"github.com/lodastack/agent/internal/safedir"
)

// Files in the log directory.
const (
	logName   = "agent.log"
	auditName = "audit.log"
)

// serviceLog is the log of the agent, as its config says. It can be configured anew while
// it is used. reopen and Close are not safe for concurrent use.
type serviceLog struct {
	logger *slog.Logger
	// audit gets the lines of the audit log. It is LogDir/audit.log, or the log itself
	// if there is no LogDir.
	audit io.Writer

	level     slog.LevelVar
	sink      sink
	auditSink sink
	dir       string         // of the log files; empty: standard error
	owned     *safedir.Owned // the directory
}

// openLog opens LogDir/agent.log and LogDir/audit.log, or standard error if
// there is no LogDir. A directory that another process owns is refused.
func openLog(cfg LogConfig) (*serviceLog, error) {
	l := &serviceLog{}
	l.sink.otherwise = pipewriter.New(os.Stderr)
	l.auditSink.otherwise, l.audit = &l.sink, &l.auditSink
	l.logger = slog.New(slog.NewTextHandler(&l.sink, &slog.HandlerOptions{Level: &l.level}))
	if err := l.reopen(cfg); err != nil {
		return nil, err
	}
	return l, nil
}

// reopen makes the log follow another config. If that cannot be opened, the log does not
// change.
func (l *serviceLog) reopen(cfg LogConfig) error {
	owned := l.owned
	if cfg.LogDir != l.dir {
		var err error
		if owned, err = ownLogDir(cfg.LogDir); err != nil {
			return err
		}
	}
	log, audit, err := openLogFiles(cfg)
	if err != nil {
		if owned != l.owned {
			err = errors.Join(err, owned.Close())
		}
		return fmt.Errorf("log.logdir: %w", err)
	}
	l.level.Set(cfg.Level)
	err = errors.Join(l.auditSink.change(audit), l.sink.change(log))
	if owned != l.owned {
		err = errors.Join(err, l.owned.Close())
	}
	l.dir, l.owned = cfg.LogDir, owned
	return err
}

// openLogFiles opens the files in the log directory; nil if there is none.
func openLogFiles(cfg LogConfig) (log, audit io.WriteCloser, err error) {
	if cfg.LogDir == "" {
		return nil, nil, nil
	}
	open := func(name string) (io.WriteCloser, error) {
		return logfile.Open(logfile.Config{Path: filepath.Join(cfg.LogDir, name), MaxSize: cfg.LogRotateSize, Keep: cfg.LogRotateNum})
	}
	if log, err = open(logName); err != nil {
		return nil, nil, err
	}
	if audit, err = open(auditName); err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	return log, audit, nil
}

// ownLogDir locks the directory of the log for this process. On a full disk it does without
// a lock: the log must not keep the agent from starting.
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

// Close closes the log files and unlocks the directory. Later log lines go to standard
// error.
func (l *serviceLog) Close() error {
	err := errors.Join(l.auditSink.change(nil), l.sink.change(nil), l.owned.Close())
	l.dir, l.owned = "", nil
	return err
}

// sink is a writer that can be replaced.
type sink struct {
	otherwise io.Writer // gets the lines while w is nil

	mu sync.Mutex
	w  io.WriteCloser // guarded by mu
}

func (s *sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w != nil {
		return s.w.Write(line)
	}
	return s.otherwise.Write(line)
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
