package agent

import (
	"errors"
	"fmt"
	"os"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/machine"
)

// Host identifies the host that asks a registry.
type Host struct {
	// Hostname is the value of the tag host.
	Hostname string `json:"hostname"`
	// Addresses are the host's IP addresses, sorted, without those of loopback
	// and of bridges to containers.
	Addresses []string `json:"addresses"`
	// Serial is the machine's serial number, or empty if it has none or
	// the agent may not read it.
	Serial string `json:"serial"`
}

// errNoAddresses means that the host's addresses are unknown. The agent continues, because
// only the report to the registry needs them.
var errNoAddresses = errors.New("the host's addresses are not known " +
	"(under systemd, RestrictAddressFamilies must have AF_NETLINK)")

// keepAddresses gives the host the addresses of the last accepted report, if there was one, while
// its own cannot be read: the registry must not hear that they have gone.
func (h *Host) keepAddresses(accepted *Host) {
	if accepted != nil {
		h.Addresses = accepted.Addresses
	}
}

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

// maxHostTag bounds a host name, in bytes; DNS allows 253 (RFC 1035).
const maxHostTag = 255

// CheckHostname returns an error if name cannot be the tag host. It must have 1 to 255 bytes,
// no blanks or control characters, and no backslash at its end.
func CheckHostname(name string) error {
	if name == "" || len(name) > maxHostTag {
		return fmt.Errorf("%.40q has %d bytes; a host name has 1 to %d", name, len(name), maxHostTag)
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
