package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/influxdb"
)

// errNoAddresses is why the agent goes on without knowing the host's addresses:
// only the registry's report has a use for them.
var errNoAddresses = errors.New("the host's addresses are not known " +
	"(under systemd, RestrictAddressFamilies must have AF_NETLINK)")

// readHost looks at the host as it is now. Beside errNoAddresses the rest is
// valid.
func (a *Agent) readHost() (Host, error) {
	var host Host
	var err error
	if host.Hostname, err = a.readHostname(); err != nil {
		return Host{}, fmt.Errorf("read the host's name: %w", err)
	}
	if host.Addresses, err = a.config.addresses(); err != nil {
		err = fmt.Errorf("%w: %w", errNoAddresses, err)
	}
	host.Serial = readSerial()
	return host, err
}

// maxHostname bounds a host name, in bytes; DNS allows 253 (RFC 1035).
const maxHostname = 255

// CheckHostname says why name cannot be the tag host: it must be 1 to 255 bytes
// without blanks, control characters and a backslash at its end.
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
	name, err := a.readHostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// readHostname returns the name that the options give, or the system's.
func (a *Agent) readHostname() (string, error) {
	if a.config.hostname != "" {
		return a.config.hostname, nil
	}
	name, err := os.Hostname()
	return influxdb.CleanTag(name), err
}

// readAddresses returns the addresses under which others may know the host.
func readAddresses() ([]string, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	addresses := []string{}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || isContainerBridge(i.Name) {
			continue
		}
		assigned, err := i.Addrs()
		if err != nil {
			continue // the interface went away since it was listed
		}
		for _, address := range assigned {
			if network, ok := address.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
				addresses = append(addresses, network.IP.String())
			}
		}
	}
	slices.Sort(addresses)
	return slices.Compact(addresses), nil
}

// isContainerBridge tells whether an interface of this name belongs to
// containers or virtual machines: its address is the same on many hosts.
func isContainerBridge(name string) bool {
	return slices.ContainsFunc([]string{"docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "lxc", "lxd"},
		func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
