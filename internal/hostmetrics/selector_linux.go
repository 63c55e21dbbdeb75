package hostmetrics

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// selector selects processes. What is empty is not looked at.
type selector struct {
	path, command, cmdline, user, unit, pidFile string
	containers                                  bool // their processes count, too
}

// selectorOf returns the selector of an item. An item that selects by nothing else selects by
// the kernel's name of the process.
func selectorOf(p agent.Process) selector {
	s := selector{path: p.Path, cmdline: p.Cmdline, user: p.User, unit: p.Unit, pidFile: p.PIDFile}
	if s == (selector{}) {
		s.command = commandName(strings.TrimPrefix(p.Name, "PROC."))
	}
	if s.unit != "" && !strings.Contains(s.unit, ".") {
		s.unit += ".service"
	}
	s.containers = p.Containers
	return s
}

func (s selector) compare(o selector) int { return cmp.Compare(s.String(), o.String()) }

// String names the processes in messages.
func (s selector) String() string {
	if s == (selector{path: s.path}) {
		return s.path
	}
	var parts []string
	for _, part := range [...]struct{ key, value string }{
		{"path", s.path}, {"name", s.command}, {"cmdline", s.cmdline}, {"user", s.user}, {"unit", s.unit}, {"pidfile", s.pidFile},
	} {
		if part.value != "" {
			parts = append(parts, part.key+" "+part.value)
		}
	}
	what := "the processes with " + strings.Join(parts, ", ")
	if s.containers {
		what += ", also in containers"
	}
	return what
}

// selection is a selector that is ready for a walk.
type selection struct {
	selector
	program *program
	paths   []string // that a process may show for path
	uid     int
	pid     int   // that the pid file names; 0: none
	unknown error // why the user or the PID is not known
}

func (c *processes) selection(s selector, paths []string, p *program) selection {
	is := selection{selector: s, program: p, paths: paths}
	if s.user != "" {
		is.uid, is.unknown = c.userID(s.user)
	}
	if s.pidFile != "" && is.unknown == nil {
		is.pid, is.unknown = c.pidIn(s.pidFile)
	}
	return is
}

// userID returns the number of a user of the host.
func (c *processes) userID(user string) (int, error) {
	if uid, err := strconv.Atoi(user); err == nil {
		return uid, nil
	}
	content, err := os.ReadFile(filepath.Join(c.root, "etc/passwd"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Split(line, ":"); len(fields) > 2 && fields[0] == user {
			return strconv.Atoi(fields[2])
		}
	}
	return 0, fmt.Errorf("%s has no user %s; write the number of a user of another directory", filepath.Join(c.root, "etc/passwd"), user)
}

// selected returns the programs to which a process belongs by more than its path. exe is nil
// if it may not be read.
func (c *processes) selected(pid int, host home, exe []byte, wanted *programs) (running []*program) {
	if len(wanted.selections) == 0 {
		return nil
	}
	t := traits{reader: &c.reader, pid: pid, exe: exe}
	try := func(selections []selection) {
		for _, s := range selections {
			if t.match(s) && (s.unit != "" || s.containers || c.reader.isOfHost(pid, host, nil)) {
				running = append(running, s.program)
			}
		}
	}
	try(wanted.plain)
	try(wanted.byPID[pid])
	if len(wanted.byPattern) > 0 {
		line, _ := c.reader.commandLine(pid) // empty if the process has ended
		for _, pattern := range c.patterns.of(line) {
			try(wanted.byPattern[pattern])
		}
	}
	return running
}

// traits are what selectors ask of a process. Each is read once, and only if it is asked.
type traits struct {
	reader *processReader
	pid    int
	exe    []byte

	command *string
	uid     *int
	groups  []string // the names of its cgroups and of those that they are in
}

// match compares all but the command line.
func (t *traits) match(s selection) bool {
	return s.unknown == nil &&
		(s.pidFile == "" || t.pid == s.pid) &&
		(s.path == "" || t.hasPath(s.paths)) &&
		(s.command == "" || t.hasCommand(s.command)) &&
		(s.unit == "" || t.isOfUnit(s.unit)) &&
		(s.user == "" || t.isOf(s.uid))
}

func (t *traits) hasPath(paths []string) bool {
	for _, path := range paths {
		if path == string(t.exe) || path == string(undeleted(t.exe)) {
			return true
		}
	}
	return false
}

// read returns a file of the process, which is valid until the next read. It is empty if the
// process has ended.
func (t *traits) read(file string) []byte {
	n, err := procfs.ReadInto(t.reader.dir(t.pid)+file, &t.reader.buf)
	if err != nil {
		return nil
	}
	return t.reader.buf[:n]
}

func (t *traits) hasCommand(name string) bool {
	if t.command == nil {
		command := string(bytes.TrimSuffix(t.read("/comm"), []byte{'\n'}))
		t.command = &command
	}
	return *t.command == name
}

// isOf reports whether the process has this effective user (proc_pid_status(5)).
func (t *traits) isOf(uid int) bool {
	if t.uid == nil {
		own := -1
		if _, after, ok := bytes.Cut(t.read("/status"), []byte("\nUid:")); ok {
			w := procfs.NewWords(after)
			w.Skip(1) // the real one
			if n, ok := w.Number(); ok {
				own = int(n)
			}
		}
		t.uid = &own
	}
	return *t.uid == uid
}

// isOfUnit reports whether one of the process's cgroups, or a group that it is in, has the
// name of the unit, as systemd gives it (proc_pid_cgroup(5)).
func (t *traits) isOfUnit(unit string) bool {
	if t.groups == nil {
		t.groups = t.reader.groups(t.pid)
	}
	return slices.Contains(t.groups, unit)
}
