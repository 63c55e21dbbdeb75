package fileregistry

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/lodastack/agent/internal/backoff"
)

// settling is how long the file must stay the same after a change, so that it is not read
// while somebody writes it. It also bounds how often a busy directory wakes the agent.
const settling = time.Second

// lookInterval is how often the file is looked at if the system tells no changes.
const lookInterval = 10 * time.Second

// Watch calls changed until ctx ends when the file is another one than Assignments has read,
// a second or two after its last change. A file that is gone is no change. What the system
// does not tell, such as changes on another host of a network disk, is noticed at the next
// update.
func (r *Registry) Watch(ctx context.Context, changed func()) {
	directory, err := watchDirectory(filepath.Dir(r.path))
	if err != nil {
		r.logger.Warn("the system does not tell when the registry file changes: the agent looks at it every 10 s", "file", r.path, "error", err)
		r.watchByLooking(ctx, changed)
		return
	}
	defer directory.Close()
	for before, told := (look{}), (look{}); ; {
		for now := lookAt(r.path); !now.same(before); now = lookAt(r.path) {
			before = now
			if !backoff.Pause(ctx, settling) {
				return
			}
		}
		if before.info != nil && !before.same(told) && !before.same(r.lastRead()) {
			told = before
			changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-directory.Events: // of any file: the path may lead over links
		case <-directory.Errors: // events were lost
		}
	}
}

// watchByLooking is Watch without the system's help.
func (r *Registry) watchByLooking(ctx context.Context, changed func()) {
	for told := (look{}); backoff.Pause(ctx, lookInterval); {
		if now := lookAt(r.path); now.info != nil && !now.same(told) && !now.same(r.lastRead()) {
			told = now
			changed()
		}
	}
}

// watchDirectory watches the directory, because a watched file is lost when another one
// takes its place.
func watchDirectory(path string) (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := w.Add(path); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// look is what a look at the file has seen. The zero value is that there is none.
type look struct{ info fs.FileInfo }

func lookAt(path string) look {
	info, err := os.Stat(path)
	if err != nil {
		return look{}
	}
	return look{info}
}

// same reports whether both have seen the same file with the same content.
func (l look) same(other look) bool {
	if l.info == nil || other.info == nil {
		return l.info == nil && other.info == nil
	}
	return os.SameFile(l.info, other.info) && l.info.Size() == other.info.Size() && l.info.ModTime().Equal(other.info.ModTime())
}

// lastRead is what Assignments has seen last.
func (r *Registry) lastRead() look {
	if read := r.read.Load(); read != nil {
		return *read
	}
	return look{}
}
