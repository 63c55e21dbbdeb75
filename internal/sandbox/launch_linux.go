package sandbox

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// childSetup is what a new process does before it executes its file, besides what
// [syscall.SysProcAttr] can express. It needs canPreExec.
type childSetup struct {
	umask      int
	noNewPrivs bool
	tasks      []int // files "tasks" of cgroups of v1 that it enters
	confined   *confined
}

// enterCgroup names the calls by which a process enters a cgroup of v1.
const enterCgroup = "entering a cgroup"

// softDescriptors is the usual soft limit of open files. The Go runtime raises the limit
// of the program, and a process that calls select(2) must not inherit that.
const softDescriptors = 1024

// close releases what was made for one process. It may be called on nil.
func (p *childSetup) close() {
	if p != nil && p.confined != nil {
		p.confined.close()
	}
}

// start starts the process, and sets its descriptor in sys. The error is a
// [*StartError] if the command is to blame, and [errCgroupRemoved] if a cgroup of v1 does
// not exist any more.
func (l launch) start() (pid int, err error) {
	if l.setup == nil {
		return l.startPlain()
	}
	p, err := l.preExec()
	if err != nil {
		return 0, &StartError{err}
	}
	cgroup := -1
	if l.sys.UseCgroupFD {
		cgroup = l.sys.CgroupFD
	}
	pid, err = p.start(cgroup, l.sys.PidFD)
	failed, ok := errors.AsType[*callError](err)
	switch {
	case err == nil:
		return pid, nil
	case !ok:
		return 0, &StartError{err}
	case failed.what == "":
		return 0, l.failed(failed.errno)
	case failed.what == enterCgroup && errors.Is(err, unix.ENODEV):
		return 0, errCgroupRemoved
	}
	return 0, fmt.Errorf("cannot be confined: %w", failed)
}

func (l launch) startPlain() (int, error) {
	files := make([]uintptr, len(l.files))
	for i, f := range l.files {
		files[i] = uintptr(f)
	}
	pid, _, err := syscall.StartProcess(l.path, l.argv, &syscall.ProcAttr{Dir: l.dir, Env: l.env, Files: files, Sys: l.sys})
	if err != nil {
		return 0, l.failed(err)
	}
	return pid, nil
}

func (l launch) failed(err error) error {
	return &StartError{fmt.Errorf("executing %s: %w", l.path, err)}
}

// preExec lists what the process does. Calls without a name fail because of the
// command, the others because of the host.
func (l launch) preExec() (*preExec, error) {
	p := &preExec{calls: make([]call, 0, 40)}
	argv, err := p.texts(l.argv)
	if err != nil {
		return nil, err
	}
	env, err := p.texts(l.env)
	if err != nil {
		return nil, err
	}
	p.add("beginning a session", unix.SYS_SETSID)
	p.add("setting the umask", unix.SYS_UMASK, uintptr(l.setup.umask))
	for _, tasks := range l.setup.tasks {
		p.add(enterCgroup, unix.SYS_WRITE, uintptr(tasks), p.text("0"), 1)
	}
	l.setup.confined.addNamespaces(p, l.sys.Cloneflags)
	l.addUser(p)
	p.add("following the end of the agent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(l.sys.Pdeathsig))
	p.add("following the end of the agent", unix.SYS_GETPPID)
	p.calls[len(p.calls)-1].want = uintptr(os.Getpid())
	if l.dir != "" {
		p.add("", unix.SYS_CHDIR, p.text(l.dir))
	}
	l.addDescriptors(p)
	if l.setup.noNewPrivs {
		p.add("setting no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	l.setup.confined.addRestrictions(p)
	p.add("", unix.SYS_EXECVE, p.text(l.path), argv, env)
	return p, nil
}

func (l launch) addUser(p *preExec) {
	user := l.sys.Credential
	if user == nil {
		return
	}
	const what = "becoming its user"
	var groups uintptr
	if len(user.Groups) > 0 {
		groups = keep(p, &user.Groups[0])
	}
	p.add(what, unix.SYS_SETGROUPS, uintptr(len(user.Groups)), groups)
	p.add(what, unix.SYS_SETGID, uintptr(user.Gid))
	p.add(what, unix.SYS_SETUID, uintptr(user.Uid))
}

// addDescriptors gives the process its files as descriptors 0, 1 and so on, and no
// others.
func (l launch) addDescriptors(p *preExec) {
	const what = "passing descriptors"
	above := len(l.files) // all numbers that are in use
	for _, f := range l.files {
		above = max(above, int(f)+1)
	}
	if c := l.setup.confined; c != nil {
		above = max(above, c.ruleset+1)
	}
	for i, f := range l.files { // out of the way of the numbers that they get
		p.add(what, unix.SYS_DUP3, uintptr(f), uintptr(above+i), unix.O_CLOEXEC)
	}
	for i := range l.files {
		p.add(what, unix.SYS_DUP3, uintptr(above+i), uintptr(i), 0)
	}
	if limit := filesLimit(); limit != nil {
		p.add("limiting open files", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, keep(p, limit), 0)
	}
}

// filesLimit returns the limit of open files for a process if the Go runtime has
// changed it: it then is one below the hard limit.
func filesLimit() *syscall.Rlimit {
	limit := new(syscall.Rlimit)
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, limit); err != nil || limit.Cur != limit.Max-1 {
		return nil
	}
	limit.Cur = min(softDescriptors, limit.Max)
	return limit
}
