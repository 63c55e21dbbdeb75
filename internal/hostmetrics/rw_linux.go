package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// rwFile returns the name of the file that is written. It is the same every
// time, so that what a crash left behind is removed by the next look; it
// differs between hosts, for network mounts, and between agents of one host.
func rwFile(stateDir string) string {
	host, _ := os.Hostname()
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", host, stateDir)
	return fmt.Sprintf(".agent-rw-%016x", h.Sum64())
}

// newProber returns the prober of real file systems.
func newProber(stateDir string) prober {
	name := rwFile(stateDir)
	return func(path string, write bool) (r probed) {
		r.spaceErr = unix.Statfs(path, &r.space)
		if write {
			r.rw, r.rwErr = writeAndRead(filepath.Join(path, name))
		}
		return r
	}
}

// errNotTried: the agent's user may not write there, the mount is none of a
// directory that the agent can see, or the agent has no descriptor or memory
// left, which says nothing of the file system.
var errNotTried = errors.New("cannot be tried")

// writeAndRead tells whether a new file at path can be written to the disk
// and read back from it, and removes the file. The error is errNotTried.
func writeAndRead(path string) (bool, error) {
	err := os.Remove(path)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		err = writeNew(path, []byte("Written by the monitoring agent to see whether this file system works.\n"))
	}
	if isShortage(err) {
		return false, errNotTried
	}
	for _, reason := range [...]error{os.ErrPermission, os.ErrExist, os.ErrNotExist, unix.ENOTDIR} {
		if errors.Is(err, reason) {
			return false, errNotTried
		}
	}
	return err == nil, nil
}

// writeNew refuses to write through a link that somebody put at path. Reading
// goes to the disk, since the kernel was told to forget its copy.
func writeNew(path string, content []byte) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(path)) }()
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return err
	}
	got := make([]byte, len(content))
	if _, err := file.ReadAt(got, 0); err != nil {
		return err
	}
	if !bytes.Equal(got, content) {
		return errors.New("read something else than was written")
	}
	return nil
}
