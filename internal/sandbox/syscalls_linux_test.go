//go:build amd64 || arm64

package sandbox_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/sandbox"
)

// forbidden are system calls that an ordinary user may make on most hosts, or that
// fail for another reason. A child that one of them makes ends at once.
var forbidden = []struct {
	name   string
	number uintptr
	args   [5]uintptr
	want   syscall.Errno
}{
	{"ptrace", unix.SYS_PTRACE, [5]uintptr{unix.PTRACE_TRACEME}, unix.EPERM},
	{"process_vm_readv", unix.SYS_PROCESS_VM_READV, [5]uintptr{uintptr(os.Getpid())}, unix.EPERM},
	{"keyctl", unix.SYS_KEYCTL, [5]uintptr{unix.KEYCTL_GET_KEYRING_ID, ^uintptr(0)}, unix.EPERM},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, [5]uintptr{}, unix.EPERM},
	{"userfaultfd", unix.SYS_USERFAULTFD, [5]uintptr{^uintptr(0)}, unix.EPERM},
	{"fsopen", unix.SYS_FSOPEN, [5]uintptr{}, unix.EPERM},
	{"user namespace by unshare", unix.SYS_UNSHARE, [5]uintptr{unix.CLONE_NEWUSER}, unix.EPERM},
	{"user namespace by clone", unix.SYS_CLONE, [5]uintptr{unix.CLONE_NEWUSER | uintptr(unix.SIGCHLD)}, unix.EPERM},
	{"user namespace by clone3", unix.SYS_CLONE3, [5]uintptr{uintptr(unsafe.Pointer(&[8]uint64{unix.CLONE_NEWUSER})), 64}, unix.ENOSYS},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, [5]uintptr{}, unix.ENOSYS},
	{"socket of AF_PACKET", unix.SYS_SOCKET, [5]uintptr{unix.AF_PACKET, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC}, unix.EPERM},
	{"socket of AF_ALG", unix.SYS_SOCKET, [5]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET}, unix.EPERM},
	{"raw socket", unix.SYS_SOCKET, [5]uintptr{unix.AF_INET, unix.SOCK_RAW | unix.SOCK_CLOEXEC, 255}, unix.EPERM},
	{"raw socket of IPv6", unix.SYS_SOCKET, [5]uintptr{unix.AF_INET6, unix.SOCK_RAW, 255}, unix.EPERM},
	{"shmget of a private segment", unix.SYS_SHMGET, [5]uintptr{0, 4096, 0o600}, unix.EPERM},
	{"shmget of a new segment", unix.SYS_SHMGET, [5]uintptr{0x7e57ab1e, 4096, 0o1600}, unix.EPERM},
	{"shmget of what is there", unix.SYS_SHMGET, [5]uintptr{0x7e57ab1e, 4096, 0}, unix.ENOENT},
	{"semget", unix.SYS_SEMGET, [5]uintptr{0x7e57ab1e, 1, 0o1600}, unix.EPERM},
	{"msgget", unix.SYS_MSGGET, [5]uintptr{0x7e57ab1e, 0o1600}, unix.EPERM},
	{"msgget of what is there", unix.SYS_MSGGET, [5]uintptr{0x7e57ab1e, 0}, unix.ENOENT},
	{"mq_open of a new queue", unix.SYS_MQ_OPEN, [5]uintptr{0, unix.O_CREAT | unix.O_RDWR, 0o600}, unix.EPERM},
	{"netlink", unix.SYS_SOCKET, [5]uintptr{unix.AF_NETLINK, unix.SOCK_RAW | unix.SOCK_CLOEXEC}, 0},
	{"UDP", unix.SYS_SOCKET, [5]uintptr{unix.AF_INET, unix.SOCK_DGRAM}, 0},
	{"unshare of files", unix.SYS_UNSHARE, [5]uintptr{unix.CLONE_FILES}, 0},
}

func makeCalls() {
	runtime.LockOSThread()
	for _, c := range forbidden {
		pid, _, errno := syscall.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], 0)
		if pid == 0 && errno == 0 && strings.Contains(c.name, "clone") {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
		fmt.Printf("%s: %d\n", c.name, errno)
	}
	os.Exit(0)
}

func TestConfinedCommandMakesNoSystemCallThatNoPluginNeeds(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true}, func(t *testing.T, s *sandbox.Supervisor) {
		c := confined(t, s, "")
		if !s.Confinement().Syscalls {
			t.Skip(s.Confinement().Reasons)
		}
		c.Path, c.Args = copyOf(t, c.Dir), nil
		c.Env = append(c.Env, "SANDBOX_TEST_ROLE=caller")
		res, err := s.Run(t.Context(), c)
		require.NoError(t, err)
		var want strings.Builder
		for _, c := range forbidden {
			fmt.Fprintf(&want, "%s: %d\n", c.name, c.want)
		}
		require.Equal(t, want.String(), string(res.Stdout), string(res.Stderr))
	})
}

// copyOf puts this test binary where another user may execute it.
func copyOf(t *testing.T, dir string) string {
	binary, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/copy", binary, 0o755))
	return dir + "/copy"
}

// The system calls of 32-bit programs have other numbers than those of the filter.
func TestConfinedCommandIsNo32BitProgram(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("this program is for x86")
	}
	exit := "\xb8\x01\x00\x00\x00\x31\xdb\xcd\x80" // mov eax,1; xor ebx,ebx; int 0x80
	header := "\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00\x01\x00\x00\x00\x54\x80\x04\x08\x34\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x34\x00\x20\x00\x01\x00\x00\x00\x00\x00\x00\x00"
	segment := "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x80\x04\x08\x00\x80\x04\x08\x5d\x00\x00\x00\x5d\x00\x00\x00\x05\x00\x00\x00\x00\x10\x00\x00"
	s, err := sandbox.Open(sandbox.Config{NoNewPrivs: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(t.Context())) }()
	c := confined(t, s, "")
	c.Path, c.Args = c.Dir+"/old", nil
	require.NoError(t, os.WriteFile(c.Path, []byte(header+segment+exit), 0o755))
	free := c
	free.Writable = nil
	if res, err := s.Run(t.Context(), free); err != nil || res.ExitCode != 0 {
		t.Skip("this kernel runs no 32-bit programs: ", err, res.Signal)
	}
	res, err := s.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, syscall.SIGSYS, res.Signal)
}
