package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/lodastack/agent/internal/influxdb"
)

// maxPattern bounds the pattern of a command line, in bytes.
const maxPattern = 1024

// maxHostName bounds a host name, in bytes (RFC 1035).
const maxHostName = 253

// CheckPort returns an error if the agent would ignore a port that a registry assigns.
func CheckPort(p Port) error {
	if p.Port < 1 || p.Port > 65535 {
		return fmt.Errorf("its port %d is not between 1 and 65535", p.Port)
	}
	if p.Timeout < 0 {
		return fmt.Errorf("its timeout of %s is negative", p.Timeout)
	}
	if p.Address != "" {
		if address, err := netip.ParseAddr(p.Address); err != nil || address.Zone() != "" {
			return fmt.Errorf("its address %.100q is not an IP address such as 127.0.0.1 or ::1", p.Address)
		}
	}
	if p.Protocol != "" && p.Protocol != "tcp" && p.Protocol != "udp" {
		return fmt.Errorf("its protocol %.100q is neither tcp nor udp", p.Protocol)
	}
	if p.TLS && (p.Listen || p.Protocol == "udp") {
		return errors.New("its tls needs a TCP connection, which listen and udp do without")
	}
	if p.TLSName != "" && !p.TLS {
		return errors.New("its tls_name needs tls")
	}
	if len(p.TLSName) > maxHostName || strings.ContainsFunc(p.TLSName, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) || c == '/' || c == ':' }) {
		return fmt.Errorf("its tls_name %.100q is not a host name such as www.example.com", p.TLSName)
	}
	return influxdb.CheckName(p.Name)
}

// CheckProcess returns an error if the agent would ignore a process that a registry assigns.
func CheckProcess(p Process) error {
	if p.Path != "" && (!path.IsAbs(p.Path) || path.Clean(p.Path) == "/" || strings.ContainsFunc(p.Path, unicode.IsControl)) {
		return fmt.Errorf("its executable %.100q is not an absolute path such as /usr/sbin/nginx", p.Path)
	}
	if p.PIDFile != "" && (!path.IsAbs(p.PIDFile) || strings.ContainsFunc(p.PIDFile, unicode.IsControl)) {
		return fmt.Errorf("its pidfile %.100q is not an absolute path such as /run/nginx.pid", p.PIDFile)
	}
	if len(p.Cmdline) > maxPattern {
		return fmt.Errorf("its cmdline has %d bytes; the limit is %d", len(p.Cmdline), maxPattern)
	}
	if _, err := regexp.Compile(p.Cmdline); err != nil {
		return fmt.Errorf("its cmdline is not a regular expression: %w", err)
	}
	for key, value := range map[string]string{"user": p.User, "unit": p.Unit} {
		if strings.ContainsFunc(value, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) || c == '/' || c == ':' }) {
			return fmt.Errorf("its %s %.100q cannot be one", key, value)
		}
	}
	if p.Name == "PROC." {
		return errors.New("its name is empty")
	}
	return influxdb.CheckName(p.Name)
}
