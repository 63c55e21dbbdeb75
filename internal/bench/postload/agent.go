//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// target is a process that takes posts: an agent, or an HTTP server to compare
// it with.
type target struct {
	address      string
	command      *exec.Cmd
	acknowledged int64 // metrics, in all loads
}

func startAgent(binary, dir, nsqd string) (*target, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	registry := filepath.Join(dir, "registry.toml")
	if err := os.WriteFile(registry, []byte("[[namespace]]\nname = \"load\"\n"), 0o600); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "agent.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
agent.listen = %q
agent.registryaddr = "file://%s"
agent.pluginsdir = "%s/plugins"
agent.pidfile = "%s/agent.pid"
output.servers = [ %q ]
log.logdir = "%s/log"
time.servers = [ "127.0.0.1" ]
`, address, registry, dir, dir, nsqd, dir), 0o600); err != nil {
		return nil, err
	}
	a := &target{address: address, command: exec.Command(binary, "start", "-f", config)}
	a.command.Stderr = os.Stderr
	if err := a.command.Start(); err != nil {
		return nil, err
	}
	return a, a.awaitReady()
}

// freeAddress returns one that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (a *target) awaitReady() error {
	var err error
	for range 100 {
		var response *http.Response
		if response, err = http.Get("http://" + a.address + "/readyz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("the agent is not ready: %s", response.Status)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func (a *target) stop() error { return stopProcess(a.command) }

// resetPeak makes the kernel forget the largest memory so far (proc(5)).
func (a *target) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", a.command.Process.Pid), []byte("5"), 0)
}

// peak returns the largest resident memory, in bytes.
func (a *target) peak() (int64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(content, []byte("VmHWM:"))
	number, _, _ := strings.Cut(strings.TrimSpace(string(rest)), " ")
	kib, err := strconv.ParseInt(number, 10, 64)
	return kib << 10, err
}

// cpu returns the CPU time that the process has used, in hundredths of a
// second (proc(5)).
func (a *target) cpu() (time.Duration, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(content, []byte(") ")) // the name, which may have blanks
	fields := strings.Fields(string(rest))
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err
}
