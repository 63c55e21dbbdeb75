// Package hostport checks addresses HOST:PORT of a config. Its errors say how to write
// one.
package hostport

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"
)

// CheckServer returns an error unless address is the HOST:PORT of a server. example is a
// good one, for the error.
func CheckServer(address, example string) error {
	host, err := check(address, 1, example)
	if err == nil && host == "" {
		return fmt.Errorf("%q names no host; %s", address, form(example))
	}
	return err
}

// CheckListen returns an error unless address is a HOST:PORT to listen on. An empty HOST
// means all addresses of this host, and the port 0 a free one.
func CheckListen(address, example string) error {
	_, err := check(address, 0, example)
	return err
}

// CheckHost returns an error unless text is HOST or HOST:PORT.
func CheckHost(text string) error {
	if text == "" {
		return errors.New("an empty name is not a host")
	}
	return checkName(text)
}

// check returns the host of an address, whose port is leastPort or larger.
func check(address string, leastPort int, example string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is not an address; %s", address, form(example))
	}
	if n, err := strconv.Atoi(port); err != nil || n < leastPort || n > 65535 {
		return "", fmt.Errorf("%q has no port from 1 to 65535; %s", address, form(example))
	}
	return host, checkName(host)
}

// checkName returns an error if a name has characters that no host has.
func checkName(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '/' }) {
		return fmt.Errorf("%q is not a host", name)
	}
	return nil
}

func form(example string) string { return fmt.Sprintf("write HOST:PORT, such as %q", example) }
