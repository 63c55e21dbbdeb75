package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/lodastack/agent/internal/procfs"
	"golang.org/x/sys/unix"
)

// pidIn returns the PID in the first line of a file of the host. A program that does not run
// has no pid file, or an empty one: the PID is then 0.
func (c *processes) pidIn(path string) (int, error) {
	line, err := c.firstLine(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(line) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, ok := procfs.ParseNumber(line)
	if !ok || pid > 1<<22 { // PID_MAX_LIMIT of the kernel
		return 0, fmt.Errorf("%s does not begin with a PID", filepath.Join(c.root, path))
	}
	return int(pid), nil
}

// firstLine returns what comes first in a small regular file. It does not wait for the other
// end of a pipe.
func (c *processes) firstLine(path string) ([]byte, error) {
	root, err := unix.Open(c.root, openPath|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: c.root, Err: err}
	}
	defer unix.Close(root)
	found, err := c.open(root, path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(c.root, path), Err: err}
	}
	defer unix.Close(found)
	var st unix.Stat_t
	if err := unix.Fstat(found, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: filepath.Join(c.root, path), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s is not a regular file", filepath.Join(c.root, path))
	}
	file, err := os.Open("/proc/self/fd/" + strconv.Itoa(found))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(c.root, path), err)
	}
	defer file.Close()
	content := make([]byte, 64)
	n, _ := file.Read(content) // nothing at the end of an empty file
	line, _ := procfs.CutLine(content[:n])
	return bytes.TrimSpace(line), nil
}
