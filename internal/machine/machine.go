// Package machine reads the identity and the addresses of this machine.
package machine

import (
	"net"
	"os"
	"slices"
	"strings"
)

// Identity distinguishes hosts independently of their names. An unknown part is empty.
type Identity struct {
	Serial string `json:"serial,omitempty"` // of the hardware, or of the virtual machine
	ID     string `json:"id,omitempty"`     // machine-id(5): of the installation
}

// Read returns the identity of this machine.
func Read() Identity {
	m := Identity{Serial: Serial()}
	if id, err := os.ReadFile("/etc/machine-id"); err == nil {
		m.ID = strings.TrimSpace(string(id))
	}
	if m.ID == "uninitialized" { // of an image, before its first boot
		m.ID = ""
	}
	return m
}

// Serial returns the machine's serial number. It is readable for root only;
// a virtual machine often has none.
func Serial() string {
	serial, err := os.ReadFile("/sys/class/dmi/id/product_serial")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(serial))
}

// Differs reports whether the two certainly belong to different machines.
func (m Identity) Differs(other Identity) bool {
	return m.Serial != "" && other.Serial != "" && m.Serial != other.Serial ||
		m.ID != "" && other.ID != "" && m.ID != other.ID
}

// Addresses returns the addresses under which others may know the host.
func Addresses() ([]string, error) {
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

// isContainerBridge reports whether an interface of this name belongs to
// containers or virtual machines: its address is the same on many hosts.
func isContainerBridge(name string) bool {
	return slices.ContainsFunc([]string{"docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "lxc", "lxd"},
		func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
