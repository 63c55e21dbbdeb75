//go:build amd64 || arm64

package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// filter is a seccomp filter, see seccomp(2). The kernel runs it for each system call,
// to allow or refuse it by its number and arguments.
type filter struct {
	code  []unix.SockFilter
	flags uintptr
}

// refused are the system calls that fail with EPERM.
var refused = []uint32{
	// They look into other processes.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	// They change what is mounted, or enter other namespaces.
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_SETNS, unix.SYS_FSOPEN, unix.SYS_FSCONFIG,
	unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_BY_HANDLE_AT,
	// They change the kernel.
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT,
	// Faults in these parts of the kernel have made users root.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
}

// missing are the system calls that fail with ENOSYS, so that a library falls back
// to older ones. The flags of clone3 are in memory, which a filter cannot read, and a
// filter does not see the operations of io_uring.
var missing = []uint32{unix.SYS_CLONE3, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER}

// namespaces are the flags of clone(2) and unshare(2) that make namespaces.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// Offsets in struct seccomp_data, on processors that begin with the low byte.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16
)

// newFilter returns an error if this kernel does not accept filters.
func newFilter() (*filter, error) {
	f := &filter{code: assemble(), flags: unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW}
	p := &preExec{}
	p.add("setting no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	f.add(p)
	err := p.try()
	if errors.Is(err, unix.EINVAL) { // before Linux 4.17
		f.flags = 0
		p.calls = p.calls[:1]
		f.add(p)
		err = p.try()
	}
	if err != nil {
		return nil, fmt.Errorf("this kernel does not accept seccomp filters: %w", err)
	}
	return f, nil
}

// add makes a process install the filter for itself.
func (f *filter) add(p *preExec) {
	prog := &unix.SockFprog{Len: uint16(len(f.code)), Filter: &f.code[0]}
	p.add("installing a seccomp filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, f.flags, keep(p, prog))
}

// rule is what a filter does for a system call. Its code ends with a return.
type rule struct {
	number uint32
	code   []unix.SockFilter
}

func rules() []rule {
	var list []rule
	for _, number := range refused {
		list = append(list, rule{number, []unix.SockFilter{fail(unix.EPERM)}})
	}
	for _, number := range missing {
		list = append(list, rule{number, []unix.SockFilter{fail(unix.ENOSYS)}})
	}
	noNamespaces := []unix.SockFilter{
		load(dataArgs),
		jump(unix.BPF_JSET, namespaces, 0, 1),
		fail(unix.EPERM),
		allow,
	}
	const typeMask = 0xf // without SOCK_CLOEXEC and SOCK_NONBLOCK
	noRawSockets := []unix.SockFilter{
		load(dataArgs),
		jump(unix.BPF_JEQ, unix.AF_PACKET, 7, 0),
		jump(unix.BPF_JEQ, unix.AF_ALG, 6, 0),
		jump(unix.BPF_JEQ, unix.AF_INET, 2, 0),
		jump(unix.BPF_JEQ, unix.AF_INET6, 1, 0),
		allow, // AF_NETLINK sockets are raw, too, and libraries list interfaces with them
		load(dataArgs + 8),
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: typeMask},
		jump(unix.BPF_JEQ, unix.SOCK_RAW, 0, 1),
		fail(unix.EPERM),
		allow,
	}
	list = append(list, rule{unix.SYS_CLONE, noNamespaces}, rule{unix.SYS_UNSHARE, noNamespaces}, rule{unix.SYS_SOCKET, noRawSockets},
		rule{unix.SYS_SHMGET, noNewIPC(2)}, rule{unix.SYS_SEMGET, noNewIPC(2)}, rule{unix.SYS_MSGGET, noNewIPC(1)},
		rule{unix.SYS_MQ_OPEN, []unix.SockFilter{load(dataArgs + 8), jump(unix.BPF_JSET, unix.O_CREAT, 0, 1), fail(unix.EPERM), allow}})
	slices.SortFunc(list, func(a, b rule) int { return cmp.Compare(a.number, b.number) })
	return list
}

// noNewIPC refuses to make shared memory, semaphores and queues of System V. They would
// outlive the run, and the limits of the next runs would not count them. A process can
// still use those that other programs have made.
func noNewIPC(flags uint32) []unix.SockFilter {
	const ipcPrivate, ipcCreate = 0, 0o1000
	return []unix.SockFilter{
		load(dataArgs),
		jump(unix.BPF_JEQ, ipcPrivate, 2, 0),
		load(dataArgs + 8*flags),
		jump(unix.BPF_JSET, ipcCreate, 0, 1),
		fail(unix.EPERM),
		allow,
	}
}

// assemble makes the code of the filter. A process that makes a system call of another
// architecture is killed (a 32-bit program, for example), because the numbers differ.
func assemble() []unix.SockFilter {
	code := []unix.SockFilter{
		load(dataArch),
		jump(unix.BPF_JEQ, auditArch, 1, 0),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		load(dataNumber),
		jump(unix.BPF_JGE, x32Bit, 0, 1),
		fail(unix.ENOSYS),
	}
	return append(code, search(rules())...)
}

// x32Bit is set in the numbers of the ABI x32 of amd64. No number of arm64 has it.
const x32Bit = 1 << 30

// search finds the rule for a number by bisection, because the kernel tries a new filter
// with every number. A jump skips 255 instructions at most, and half of all rules have
// about 100.
func search(rules []rule) []unix.SockFilter {
	if len(rules) == 1 {
		code := append([]unix.SockFilter{jump(unix.BPF_JEQ, rules[0].number, 0, uint8(len(rules[0].code)))}, rules[0].code...)
		return append(code, allow)
	}
	half := len(rules) / 2
	low, high := search(rules[:half]), search(rules[half:])
	return slices.Concat([]unix.SockFilter{jump(unix.BPF_JGE, rules[half].number, uint8(len(low)), 0)}, low, high)
}

var allow = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}

func fail(errno unix.Errno) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)}
}

// load loads 32 bits of struct seccomp_data.
func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// jump skips yes or no instructions.
func jump(condition uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | condition | unix.BPF_K, K: k, Jt: yes, Jf: no}
}
