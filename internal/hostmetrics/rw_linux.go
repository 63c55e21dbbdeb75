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

// rwFile returns the name of the file for the write test. The name is always
// the same, so that the next test removes a file that a crash has left. It
// differs between hosts, because of network mounts, and between agents of one
// host.
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

// errNotTried means that nothing is known of the file system. The agent's user
// may not write there, the mount point is not a directory that the agent can
// see, or the agent has no descriptor or memory left.
var errNotTried = errors.New("cannot be tried")

// writeAndRead reports whether a new file at path can be written to the disk
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

// writeNew does not write through a link that somebody put at path. It tells
// the kernel to drop its copy, so that reading goes to the disk.
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
		return errors.New("the file read back differs from what was written")
	}
	return nil
}
