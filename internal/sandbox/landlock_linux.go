package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlock is the version of Landlock that the kernel offers, see
// https://docs.kernel.org/userspace-api/landlock.html
type landlock struct {
	version int   // 0: none
	signals bool  // it can restrict signals to the processes of a run
	devices []int // descriptors (O_PATH) of those that a program may write to
}

// Versions of Landlock that added a right which is used here.
const (
	landlockRefer    = 2
	landlockTruncate = 3
	landlockScope    = 6
)

func newLandlock() (l landlock) {
	ask := func(flag uintptr) int {
		answer, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, flag)
		if errno != 0 {
			return 0
		}
		return int(answer)
	}
	l.version = ask(unix.LANDLOCK_CREATE_RULESET_VERSION)
	// Before erratum 2 a confined thread could not signal the other threads of its
	// process, as the runtime of Go does.
	l.signals = l.version >= landlockScope && ask(unix.LANDLOCK_CREATE_RULESET_ERRATA)&(1<<1) != 0
	if l.version > 0 {
		for _, path := range devices {
			if fd, err := openPath(path); err == nil { // a container need not have all
				l.devices = append(l.devices, fd)
			}
		}
	}
	return l
}

// close closes the descriptors.
func (l landlock) close() {
	for _, fd := range l.devices {
		unix.Close(fd)
	}
}

// writeRights are the rights to change what is in a directory.
const writeRights = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
	unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
	unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM

// devices are the ones that a program may write to: that changes nothing.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// ruleset returns the descriptor of a ruleset that allows writing only below the
// directories and to the devices.
func (l landlock) ruleset(writable []string) (fd int, err error) {
	rights, toFiles := uint64(writeRights), uint64(unix.LANDLOCK_ACCESS_FS_WRITE_FILE)
	if l.version >= landlockRefer {
		rights |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if l.version >= landlockTruncate {
		rights |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		toFiles |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: rights}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if l.signals {
		attr.Scoped = unix.LANDLOCK_SCOPE_SIGNAL
		size = unsafe.Offsetof(attr.Scoped) + unsafe.Sizeof(attr.Scoped)
	}
	ruleset, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return -1, fmt.Errorf("making a ruleset of Landlock: %w", errno)
	}
	defer func() {
		if err != nil {
			closeNow(int(ruleset))
		}
	}()
	for _, dir := range writable {
		if err := allowPath(int(ruleset), dir, rights); err != nil {
			return -1, fmt.Errorf("allowing it %s: %w", dir, err)
		}
	}
	for _, device := range l.devices {
		if err := addRule(int(ruleset), device, toFiles); err != nil {
			return -1, fmt.Errorf("allowing it to write to devices: %w", err)
		}
	}
	return int(ruleset), nil
}

// allowPath adds a rule for path and everything below it, if path exists.
func allowPath(ruleset int, path string, rights uint64) error {
	fd, err := openPath(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeNow(fd)
	return addRule(ruleset, fd, rights)
}

func openPath(path string) (int, error) { return unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0) }

// addRule adds a rule for the file of a descriptor, and everything below it.
func addRule(ruleset, fd int, rights uint64) error {
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	return errorOf(errno)
}
