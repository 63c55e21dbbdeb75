package fileregistry

import (
	"context"
	"io/fs"
	"os"
	"time"
)

// watchInterval is how often the file is looked at. A change is told when the next look
// finds the file the same, so that a file that is being written is not read half.
// docs/decisions/registry.md says why not with inotify.
const watchInterval = 2 * time.Second

// Watch looks at the file every 2 seconds until ctx ends, and calls changed if it is another
// one than Assignments has read. A file that is gone is no change.
func (r *Registry) Watch(ctx context.Context, changed func()) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	var before, told look
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := lookAt(r.path)
		if now.info != nil && now.same(before) && !now.same(told) && !now.same(r.lastRead()) {
			told = now
			changed()
		}
		before = now
	}
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
