package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/filelock"
	"github.com/lodastack/agent/internal/safefile"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// segment is one bbolt file. It is written until it is sealed. After that it is
// only read.
type segment struct {
	path string
	// size of the file in bytes.
	size int64
	// last is the sequence number of the newest block, or 0 if there is none.
	// The first block has the number 1.
	last uint64
	// next is the first block that is not done. read is the first block that
	// was not read.
	next, read uint64
	// points is how many points wait in the blocks from next on, by namespace.
	points map[string]int64
	// oldest and newest are the times of the first and of the last write.
	oldest, newest time.Time
	// bad is why a part could not be read, or nil.
	bad error
	// summarized is when the progress was last saved.
	summarized time.Time
	// dropped is the reason why the segment was removed before all of it was
	// done.
	dropped string

	db   *bolt.DB
	file *os.File
}

const (
	segmentSuffix = ".db"
	fileMode      = 0o600
)

func bucketName() []byte { return []byte("blocks") }

func blockKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// createSegment makes an empty segment that survives power loss.
func createSegment(path string, size int64) (*segment, error) {
	g := &segment{path: path, next: 1, read: 1, points: map[string]int64{}}
	err := g.openFile(&bolt.Options{
		Timeout:         time.Second,
		FreelistType:    bolt.FreelistMapType,
		NoStatistics:    true,
		InitialMmapSize: int(2 * size),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", path, err), removeFile(path))
	}
	g.db.AllocSize = int(size / 8)
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, g.close(), removeFile(path))
	}
	g.oldest = time.Now()
	g.stat()
	return g, nil
}

// put appends blocks in one transaction. The first block gets the number
// last+1.
func (g *segment) put(blocks [][]byte) error {
	last := g.last
	err := guarded(func() error {
		return g.db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists(bucketName())
			if err != nil {
				return err
			}
			// Keys only increase, so a page that is split needs no room for
			// more.
			bucket.FillPercent = 1
			for i, block := range blocks {
				if err := bucket.Put(blockKey(last+uint64(i)+1), block); err != nil {
					return err
				}
			}
			return bucket.SetSequence(last + uint64(len(blocks)))
		})
	})
	if isPanic(err) {
		g.abandon()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", g.path, err)
	}
	return nil
}

// open makes a sealed segment readable.
func (g *segment) open() error {
	if g.db != nil {
		return nil
	}
	if info, err := os.Stat(g.path); err == nil && info.Size() == 0 {
		// bbolt would make a new database of an empty file.
		return fmt.Errorf("open %s: %w: it is empty", g.path, errDamaged)
	}
	err := g.openFile(&bolt.Options{ReadOnly: true, Timeout: time.Second, NoStatistics: true})
	if err != nil {
		return fmt.Errorf("open %s: %w", g.path, err)
	}
	return nil
}

// view calls fn with the bucket of the blocks, or nil if there is none.
func (g *segment) view(fn func(*bolt.Bucket) error) error {
	if err := g.open(); err != nil {
		return err
	}
	err := guarded(func() error {
		return g.db.View(func(tx *bolt.Tx) error {
			// If a panic is caught here, no lock of bbolt stays held.
			return asDamage(guarded(func() error { return fn(tx.Bucket(bucketName())) }))
		})
	})
	if isPanic(err) {
		g.abandon()
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", g.path, err)
	}
	return nil
}

// length returns the number of the newest block.
func (g *segment) length() (last uint64, err error) {
	err = g.view(func(b *bolt.Bucket) error {
		if b != nil {
			last = b.Sequence()
		}
		return nil
	})
	return last, err
}

// block returns a copy of a block.
func (g *segment) block(seq uint64) (data []byte, err error) {
	err = g.view(func(b *bolt.Bucket) error {
		if b == nil {
			return errDamaged
		}
		if data = bytes.Clone(b.Get(blockKey(seq))); data == nil {
			return errDamaged
		}
		return nil
	})
	return data, err
}

func (g *segment) close() error {
	if g.db == nil {
		return nil
	}
	err := g.db.Close()
	g.db = nil
	return err
}

// abandon gives up the database without closing it, because a panic may have
// left its locks held. It unlocks the file, because the mapping, which stays,
// would keep it locked.
func (g *segment) abandon() {
	_ = filelock.Unlock(g.file)
	_ = g.file.Close()
	g.db, g.file = nil, nil
}

func (g *segment) stat() {
	if info, err := os.Stat(g.path); err == nil {
		g.size = info.Size()
	}
}

func (g *segment) openFile(options *bolt.Options) error {
	options.OpenFile = func(name string, flag int, mode os.FileMode) (file *os.File, err error) {
		g.file, err = safefile.Open(name, flag, mode)
		return g.file, err
	}
	err := guarded(func() (err error) {
		g.db, err = bolt.Open(g.path, fileMode, options)
		return err
	})
	if isPanic(err) && g.file != nil {
		g.abandon()
	}
	return err
}

// panicError is a panic of bbolt. bbolt panics at a damaged page, and at a
// memory fault if the mapped file is damaged or shortened.
type panicError struct{ reason any }

func (e *panicError) Error() string { return fmt.Sprintf("damaged: %v", e.reason) }

func isPanic(err error) bool {
	var p *panicError
	return errors.As(err, &p)
}

// asDamage turns a handled panic into an ordinary error.
func asDamage(err error) error {
	if isPanic(err) {
		return fmt.Errorf("%w: %v", errDamaged, err)
	}
	return err
}

// guarded calls fn and turns its panic into an error.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r}
		}
	}()
	return fn()
}

// isDamage reports whether err means that the file itself is damaged, and not
// that it could not be opened or read now.
func isDamage(err error) bool {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno == syscall.EIO || errno == syscall.ENOENT
	}
	return err != nil && !errors.Is(err, bolterrors.ErrTimeout)
}

// errRemoved means that another program removed the file of a segment. What was
// written to it is lost.
var errRemoved = errors.New("another program removed the file")

// checkName returns an error unless the file still has the segment's name. See
// grafana/agent#482.
func (g *segment) checkName() error {
	open, err := g.file.Stat()
	if err != nil {
		return fmt.Errorf("write %s: %w", g.path, err)
	}
	named, err := os.Stat(g.path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(open, named) {
		return fmt.Errorf("write %s: %w", g.path, errRemoved)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", g.path, err)
	}
	return nil
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
