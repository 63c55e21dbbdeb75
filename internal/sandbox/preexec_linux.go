package sandbox

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// preExec is the list of system calls that a new process makes between fork and exec,
// and the memory that these refer to.
type preExec struct {
	calls []call
	kept  []any
}

// call is a system call.
type call struct {
	number uintptr
	args   [5]uintptr
	want   uintptr // the expected result; 0: any that is not an error
	what   string  // what it does, for an error
}

// callError is the error of one of the calls.
type callError struct {
	index int
	what  string
	errno syscall.Errno
}

func (e *callError) Error() string { return fmt.Sprintf("%s: %v", e.what, e.errno) }
func (e *callError) Unwrap() error { return e.errno }

// add adds a call. Its error begins with what.
func (p *preExec) add(what string, number uintptr, args ...uintptr) {
	c := call{number: number, what: what}
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
}

// text returns the address of a copy of s that ends with a zero.
func (p *preExec) text(s string) uintptr {
	b := make([]byte, len(s)+1)
	copy(b, s)
	return keep(p, &b[0])
}

// texts returns the address of a list of texts that ends with a zero.
func (p *preExec) texts(list []string) (uintptr, error) {
	pointers, err := syscall.SlicePtrFromStrings(list)
	if err != nil {
		return 0, err
	}
	return keep(p, &pointers[0]), nil
}

// keep returns the address of what pointer points to. The address stays valid as long
// as p.
func keep[T any](p *preExec, pointer *T) uintptr {
	p.kept = append(p.kept, pointer)
	return uintptr(unsafe.Pointer(pointer))
}

// try starts a process that makes the calls and exits. It returns the error of the call
// that failed.
func (p *preExec) try() error {
	const never = ^uintptr(0) // is not a descriptor
	count := len(p.calls)
	p.add("", unix.SYS_CLOSE, never)
	_, err := p.start(-1, nil)
	failed, ok := errors.AsType[*callError](err)
	if ok && failed.index == count {
		return nil
	}
	if err == nil {
		return errors.New("a new process does not share this program's memory")
	}
	return err
}

// canPreExec reports whether a new process can make such calls. Under emulators such as
// qemu-user it gets a copy of the memory, and cannot report a failure.
func canPreExec() bool { return new(preExec).try() == nil }
