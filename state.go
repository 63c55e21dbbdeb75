package agent

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/machine"
	"github.com/lodastack/agent/internal/plugins"
	"github.com/lodastack/agent/internal/statefile"
)

// Files in the state directory.
const (
	assignmentsFile = "assignments.json"
	hostFile        = "host.json"
)

// machineFile in the state directory identifies the machine that the state is of.
const machineFile = "machine.json"

// state returns the state directory.
func (a *Agent) state() statefile.Dir { return statefile.Dir(a.config.stateDir) }

// claimState removes the state of another machine from the state directory, as in an image
// of a running host: accounts, assignments, disabled plugins and last accepted report are
// not this host's. Points that wait in the store stay, because they may be nowhere else. The
// error says what was removed, or what failed. The agent runs nevertheless.
func (a *Agent) claimState() error {
	state := a.state()
	if state == "" {
		return nil
	}
	now, saved := a.config.machine(), machine.Identity{}
	err := state.Load(machineFile, &saved)
	if saved.Differs(now) {
		err = errors.Join(err, errors.New("it was made on another machine: its accounts, assignments, disabled plugins and last report are removed"))
		failed := errors.Join(delivery.RemoveAccounts(string(state)), state.Remove(assignmentsFile), state.Remove(hostFile), state.Remove(plugins.DisabledFile))
		if failed != nil {
			return errors.Join(err, failed) // the next start tries again
		}
		saved = machine.Identity{}
	}
	now = machine.Identity{Serial: cmp.Or(now.Serial, saved.Serial), ID: cmp.Or(now.ID, saved.ID)}
	if now == saved {
		return err
	}
	return errors.Join(err, state.Save(machineFile, now))
}

// remember loads the assignments and the accepted report of an earlier run.
func (u *updater) remember() {
	var known []Assignment
	if err := u.state.Load(assignmentsFile, &known); err != nil {
		u.logger.Warn("starting without the last assignments", "error", err)
	}
	var accepted *Host
	if err := u.state.Load(hostFile, &accepted); err != nil {
		u.logger.Warn("starting without the last accepted report", "error", err)
	}
	known, problems := validate(known) // an earlier version may have saved it
	u.mu.Lock()
	u.known, u.accepted, u.problems = known, accepted, problems
	u.mu.Unlock()
	if len(known) > 0 {
		u.apply(known)
	}
}

// remembered is the part of the registry's answers that an agent keeps.
type remembered struct {
	known    []Assignment
	accepted *Host
}

// readRemembered reads the state with which an agent would start, without changing it. The
// notes say which part of it the agent would ignore.
func readRemembered(state statefile.Dir, now machine.Identity) (r remembered, notes []string, err error) {
	var damaged *statefile.DamagedError
	read := func(name string, value any) {
		failed := state.Read(name, value)
		switch {
		case errors.As(failed, &damaged):
			notes = append(notes, fmt.Sprintf("%s is damaged, so an agent that starts now does without it: %v", damaged.Path, damaged.Err))
		case failed != nil:
			err = errors.Join(err, failed)
		}
	}
	var saved machine.Identity
	read(machineFile, &saved)
	if saved.Differs(now) {
		return remembered{}, append(notes, fmt.Sprintf("%s was made on another machine: the agent forgets it at its next start", state)), err
	}
	var known []Assignment
	if read(assignmentsFile, &known); damaged != nil {
		known = nil // it may be there in part
	}
	damaged = nil
	if read(hostFile, &r.accepted); damaged != nil {
		r.accepted = nil
	}
	r.known, _ = validate(known)
	return r, notes, err
}
