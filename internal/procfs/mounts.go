package procfs

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Mount is a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
type Mount struct {
	// ID is unique among the present mounts; see stx_mnt_id in statx(2).
	ID int
	// Parent is the ID of the mount that this one is mounted on. For the top of
	// the tree it is the mount's own ID, or that of an unlisted mount.
	Parent int
	// Device is MAJOR:MINOR of the file system.
	Device string
	// Root is the mounted directory of the file system: "/" for all of it.
	Root string
	// Point is the mount point, relative to the root of the process.
	Point string
	// Options are those of this mount, such as ro and nosuid.
	Options []string
	// Type is the type of the file system, such as ext4 or fuse.sshfs.
	Type string
	// Source is what was mounted, such as /dev/sda1. It may be empty.
	Source string
	// SuperOptions are those of the file system, such as ro, or the
	// controllers of a cgroup v1 hierarchy.
	SuperOptions []string
}

// ReadOnly reports whether this mount is read-only. The file system itself may
// also be read-only, see SuperOptions.
func (m Mount) ReadOnly() bool { return slices.Contains(m.Options, "ro") }

// ReadMounts reads and parses a mountinfo file, such as /proc/self/mountinfo.
// The mounts are valid even if there is an error of [ParseMounts].
func ReadMounts(path string) ([]Mount, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	mounts, err := ParseMounts(content)
	if err != nil {
		return mounts, fmt.Errorf("%s: %w", path, err)
	}
	return mounts, nil
}

// ParseMounts parses a mountinfo file in its order, in which a mount comes
// after its parent. It skips lines in a wrong format, and the error quotes the
// first of them.
func ParseMounts(content []byte) (mounts []Mount, err error) {
	for line := range bytes.Lines(content) {
		m, ok := parseMount(strings.TrimSuffix(string(line), "\n"))
		if ok {
			mounts = append(mounts, m)
		} else if err == nil {
			err = fmt.Errorf("a line is not in the format of mountinfo: %.100q", line)
		}
	}
	return mounts, err
}

// parseMount parses
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//
// Optional fields are in front of the hyphen. Blanks within a field are
// escaped. An empty source leaves two blanks in a row.
func parseMount(line string) (m Mount, ok bool) {
	before, after, _ := strings.Cut(line, " - ")
	left, right := strings.Split(before, " "), strings.SplitN(after, " ", 3)
	if len(left) < 6 || len(right) < 3 {
		return m, false
	}
	id, err1 := strconv.Atoi(left[0])
	parent, err2 := strconv.Atoi(left[1])
	return Mount{
		ID: id, Parent: parent, Device: left[2], Root: unescape(left[3]), Point: unescape(left[4]),
		Options: strings.Split(left[5], ","),
		Type:    unescape(right[0]), Source: unescape(right[1]), SuperOptions: strings.Split(right[2], ","),
	}, err1 == nil && err2 == nil
}

// unescape decodes the octal escapes of blanks, line breaks, hashes and
// backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
