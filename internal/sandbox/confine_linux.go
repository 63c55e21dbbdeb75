package sandbox

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// confiner restricts new processes.
type confiner struct {
	landlock landlock
	filter   *filter // nil: none
	mounts   bool
	reasons  []string
}

// newConfiner finds out which restrictions this host supports.
func newConfiner() *confiner {
	c := &confiner{landlock: newLandlock()}
	switch {
	case c.landlock.version == 0:
		c.reasons = append(c.reasons, "plugins can write wherever their user may: this kernel has no Landlock (Linux 5.13), or it is switched off (boot parameter lsm=)")
	case !c.landlock.signals:
		c.reasons = append(c.reasons, "plugins of one user can signal each other: this kernel's Landlock does not prevent it (Linux 6.12, with the fix of its erratum 2)")
	}
	try := &preExec{}
	addMounts(try, nil)
	if err := try.try(); err != nil {
		c.reasons = append(c.reasons, fmt.Sprintf("plugins share /tmp, and those of one user can read each other's state: the agent may make no mount namespace (%v); only root may", err))
	} else {
		c.mounts = true
	}
	filter, err := newFilter()
	if err != nil {
		c.reasons = append(c.reasons, fmt.Sprintf("plugins can make all system calls: %v", err))
	} else {
		c.filter = filter
	}
	return c
}

// setup prepares the process of a command. The limit may be nil.
func (s *spawner) setup(c Command, l limit) (*childSetup, error) {
	if s.confine == nil {
		return nil, nil
	}
	p := &childSetup{umask: s.config.Umask, noNewPrivs: s.config.NoNewPrivs}
	if l != nil {
		p.tasks = l.files()
	}
	if len(c.Writable) == 0 {
		return p, nil
	}
	p.noNewPrivs = true // else only root may confine itself
	p.confined = &confined{ruleset: -1, mounts: c.Mounts}
	if c.User != nil || os.Geteuid() != 0 { // a plugin that runs as root may use root's system calls
		p.confined.filter = s.confine.filter
	}
	if s.confine.landlock.version > 0 {
		var err error
		if p.confined.ruleset, err = s.confine.landlock.ruleset(c.Writable); err != nil {
			return nil, fmt.Errorf("cannot be confined: %w", err)
		}
	}
	return p, nil
}

func (s *spawner) confinement() Confinement {
	c := s.confine
	if c == nil {
		return Confinement{Reasons: []string{"plugins are not confined: this build cannot do it on this processor, or it runs in an emulator"}}
	}
	return Confinement{Files: c.landlock.version > 0, Signals: c.landlock.signals, Syscalls: c.filter != nil, Mounts: c.mounts, Reasons: c.reasons}
}

// confined is how one process is restricted.
type confined struct {
	ruleset int     // of Landlock; -1: none
	filter  *filter // nil: none
	mounts  []Mount
}

func (c *confined) close() {
	if c.ruleset >= 0 {
		closeNow(c.ruleset)
	}
}

// addNamespaces is called for the time in which the process still is root. It may be
// called on nil.
func (c *confined) addNamespaces(p *preExec, flags uintptr) {
	if flags != 0 {
		p.add("making a namespace", unix.SYS_UNSHARE, flags)
	}
	if c != nil && len(c.mounts) > 0 {
		addMounts(p, c.mounts)
	}
}

// addMounts makes a mount namespace. It sees what the host mounts and unmounts later,
// and the host does not see its mounts. (systemd makes all mounts of the host shared.)
func addMounts(p *preExec, mounts []Mount) {
	const what = "making a mount namespace"
	p.add(what, unix.SYS_UNSHARE, unix.CLONE_NEWNS)
	p.add(what, unix.SYS_MOUNT, p.text("none"), p.text("/"), 0, unix.MS_REC|unix.MS_SLAVE)
	for _, m := range mounts {
		p.add("mounting "+m.From+" at "+m.At, unix.SYS_MOUNT, p.text(m.From), p.text(m.At), 0, unix.MS_BIND|unix.MS_REC)
	}
}

// addRestrictions adds the last calls before exec. They need no_new_privs. It may be
// called on nil.
func (c *confined) addRestrictions(p *preExec) {
	if c == nil {
		return
	}
	if c.ruleset >= 0 {
		p.add("confining itself with Landlock", unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(c.ruleset), 0)
	}
	if c.filter != nil {
		c.filter.add(p)
	}
}
