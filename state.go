package agent

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/statefile"
)

// stateDir keeps small files from one run of the agent to the next. The empty
// one keeps nothing.
type stateDir string

// load reads the file into value and leaves it as it is where there is no such
// file.
func (d stateDir) load(name string, value any) error {
	if d == "" {
		return nil
	}
	_, err := statefile.Load(filepath.Join(string(d), name), value)
	return err
}

// save replaces the file as a whole, on disk when it returns.
func (d stateDir) save(name string, value any) error {
	if d == "" {
		return nil
	}
	return statefile.Save(filepath.Join(string(d), name), value)
}

// remove removes the file, if it is there.
func (d stateDir) remove(name string) error {
	if err := os.Remove(filepath.Join(string(d), name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// machineFile in the state directory says whose state it is.
const machineFile = "machine.json"

// machine tells hosts apart whatever they are called. What is not known is empty.
type machine struct {
	Serial string `json:"serial,omitempty"` // of the hardware, or of the virtual machine
	ID     string `json:"id,omitempty"`     // machine-id(5): of the installation
}

// readMachine returns what the system says.
func readMachine() machine {
	m := machine{Serial: readSerial()}
	if id, err := os.ReadFile("/etc/machine-id"); err == nil {
		m.ID = strings.TrimSpace(string(id))
	}
	if m.ID == "uninitialized" { // of an image, before its first boot
		m.ID = ""
	}
	return m
}

// readSerial returns the machine's serial number. It is readable for root only;
// a virtual machine often has none.
func readSerial() string {
	serial, err := os.ReadFile("/sys/class/dmi/id/product_serial")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(serial))
}

// differs tells whether both are known not to be the same.
func (m machine) differs(other machine) bool {
	return m.Serial != "" && other.Serial != "" && m.Serial != other.Serial ||
		m.ID != "" && other.ID != "" && m.ID != other.ID
}

// claimState removes what another machine has left in the state directory, as
// the images do that are made of a running host: its accounts, assignments,
// disabled plugins and last accepted report are not this host's. Points that wait
// in the store stay: they may be nowhere else. The error says what was removed, or
// what could not be done; the agent runs nevertheless.
func (a *Agent) claimState() error {
	state := a.state()
	if state == "" {
		return nil
	}
	now, saved := a.config.machine(), machine{}
	err := state.load(machineFile, &saved)
	if saved.differs(now) {
		err = errors.Join(err, errors.New("it was made on another machine: the accounts, assignments, disabled plugins and last report of that one are removed"))
		failed := errors.Join(delivery.RemoveAccounts(string(state)), state.remove(assignmentsFile), state.remove(hostFile), state.remove(disabledFile))
		if failed != nil {
			return errors.Join(err, failed) // the next start tries again
		}
		saved = machine{}
	}
	now = machine{Serial: cmp.Or(now.Serial, saved.Serial), ID: cmp.Or(now.ID, saved.ID)}
	if now == saved {
		return err
	}
	return errors.Join(err, state.save(machineFile, now))
}
