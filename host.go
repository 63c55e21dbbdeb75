package agent

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/machine"
	"github.com/lodastack/agent/internal/plugins"
)

// errNoAddresses means that the host's addresses are unknown. The agent continues, because
// only the report to the registry needs them.
var errNoAddresses = errors.New("the host's addresses are not known " +
	"(under systemd, RestrictAddressFamilies must have AF_NETLINK)")

// readHost reads the host's name, addresses and serial number. With errNoAddresses, the rest
// is valid.
func (c *fixed) readHost() (Host, error) {
	var host Host
	var err error
	if host.Hostname, err = c.readHostname(); err != nil {
		return Host{}, fmt.Errorf("read the host's name: %w", err)
	}
	if host.Addresses, err = c.addresses(); err != nil {
		err = fmt.Errorf("%w: %w", errNoAddresses, err)
	}
	host.Serial = machine.Serial()
	return host, err
}

// maxHostname bounds a host name, in bytes; DNS allows 253 (RFC 1035).
const maxHostname = 255

// CheckHostname returns an error if name cannot be the tag host. It must have 1 to 255 bytes,
// no blanks or control characters, and no backslash at its end.
func CheckHostname(name string) error {
	if name == "" || len(name) > maxHostname {
		return fmt.Errorf("%.40q has %d bytes; a host name has 1 to %d", name, len(name), maxHostname)
	}
	if influxdb.CleanTag(name) != name {
		return fmt.Errorf("%q has blanks, control characters or a backslash at its end", name)
	}
	return nil
}

// hostname returns the value of the tag host.
func (a *Agent) hostname() string {
	name, err := a.config.readHostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// readHostname returns the name that the options give, or the system's.
func (c *fixed) readHostname() (string, error) {
	if c.hostname != "" {
		return c.hostname, nil
	}
	name, err := os.Hostname()
	return influxdb.CleanTag(name), err
}

// machineFile in the state directory identifies the machine that the state is of.
const machineFile = "machine.json"

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
