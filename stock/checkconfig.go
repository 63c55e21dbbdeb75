package stock

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/lodastack/agent/internal/httpapi"
	"github.com/lodastack/agent/internal/safedir"
	"github.com/lodastack/agent/internal/safefile"
	"github.com/lodastack/agent/internal/topic"
)

// check calls fail for everything that is wrong beyond types and bounds.
func (c Config) check(fail func(key, reason string)) {
	failed := func(key string, err error) {
		if err != nil {
			fail(key, err.Error())
		}
	}
	c.Agent.check(failed)
	failed("agent.registryaddr", c.checkRegistry())
	c.Output.check(failed)
	c.API.check(failed)
	failed("log.logdir", c.checkLogDir())
	failed("coredump.dir", checkPath(c.Coredump.Dir))
	for _, kind := range c.Collect.Disable {
		failed("collect.disable", checkKind(kind))
	}
	for _, server := range c.Time.Servers {
		failed("time.servers", checkHost(server))
	}
	c.checkRoom(failed)
}

func (a AgentConfig) check(failed func(key string, err error)) {
	failed("agent.listen", checkAddress(a.Listen, 0, "127.0.0.1:1232"))
	for _, prefix := range a.IfacePrefix {
		if prefix == "" || strings.ContainsFunc(prefix, unicode.IsSpace) {
			failed("agent.ifaceprefix", fmt.Errorf(`%q begins no interface's name; write [ "eth" ], or leave the key out`, prefix))
		}
	}
	failed("agent.pluginsuser", checkUser(a.PluginsUser))
	if a.Git != "" {
		failed("agent.git", gitrunner.CheckGit(a.Git))
	}
	failed("agent.branch", gitrunner.CheckBranch(a.Branch))
	failed("agent.pidfile", checkPath(a.PIDFile))
	if a.Hostname != "" {
		failed("agent.hostname", agent.CheckHostname(a.Hostname))
	}
}

// checkRoom checks the directories that the agent fills, and that
// `agent stop -m clean` empties.
func (c Config) checkRoom(failed func(key string, err error)) {
	plugins := c.Agent.PluginsDir
	if err := checkDir(plugins); err != nil {
		failed("agent.pluginsdir", err)
	} else if err := safedir.Check(plugins); err != nil {
		failed("agent.pluginsdir", err)
	}
	if c.Agent.DataDir == "" {
		return
	}
	data := filepath.Clean(c.Agent.DataDir)
	if err := checkDir(data); err != nil {
		failed("agent.datadir", err)
	} else if err := safedir.Check(data); err != nil {
		failed("agent.datadir", err)
	} else {
		failed("agent.datadir", safedir.CheckData(plugins, data))
	}
}

// checkLogDir wants a directory that the agent has for nothing else.
func (c Config) checkLogDir() error {
	dir := c.Log.LogDir
	if dir == "" {
		return nil
	}
	if err := checkDir(dir); err != nil {
		return err
	}
	for key, other := range map[string]string{"agent.pluginsdir": c.Agent.PluginsDir, "agent.datadir": c.DataDir()} {
		if safefile.Resolve(dir) == safefile.Resolve(other) {
			return fmt.Errorf("%s is %s too, which agent stop -m clean empties; name a directory of its own", dir, key)
		}
	}
	return nil
}

func (o OutputConfig) check(failed func(key string, err error)) {
	switch o.Name {
	case OutputNSQ:
		if len(o.Servers) == 0 {
			failed("output.servers", errors.New(`missing; name at least one nsqd, [ "127.0.0.1:4150" ]`))
		}
	case OutputStdout:
	default:
		failed("output.name", fmt.Errorf("%q is no output; write nsq or stdout", o.Name))
	}
	for i, server := range o.Servers {
		failed("output.servers", checkAddress(server, 1, "127.0.0.1:4150"))
		if slices.Contains(o.Servers[:i], server) {
			failed("output.servers", fmt.Errorf("%s is named twice", server))
		}
	}
	if o.Format != "influx" && o.Format != "json" {
		failed("output.format", fmt.Errorf("%q is no format; write influx or json", o.Format))
	}
	failed("output.topicprefix", topic.CheckPrefix(o.TopicPrefix))
	if o.SpoolSize > 0 && o.SpoolSize < 1<<20 {
		failed("output.spoolsize", fmt.Errorf("%d bytes are too few; write 1 MiB (1048576) or more, or 0 for no spool", o.SpoolSize))
	}
	for key, value := range map[string]string{"output.tlsca": o.TLSCA, "output.tlscert": o.TLSCert, "output.tlskey": o.TLSKey, "output.tlsservername": o.TLSServerName} {
		if value != "" && !o.TLS {
			failed(key, errors.New("set, but output.tls is not true"))
		}
	}
	checkKeyPair(failed, "output.tlscert", o.TLSCert, "output.tlskey", o.TLSKey)
	failed("output.tlsca", checkCertificates(o.TLSCA))
	failed("output.authsecretfile", checkSecret(o.AuthSecretFile))
}

func (a APIConfig) check(failed func(key string, err error)) {
	failed("api.tokenfile", checkSecret(a.TokenFile))
	checkKeyPair(failed, "api.tlscert", a.TLSCert, "api.tlskey", a.TLSKey)
	if a.ClientCA != "" && a.TLSCert == "" {
		failed("api.clientca", errors.New("clients show certificates over TLS only; set api.tlscert and api.tlskey too"))
	}
	failed("api.clientca", checkCertificates(a.ClientCA))
	if a.Socket != "" {
		failed("api.socket", checkPath(a.Socket))
		if len(a.Socket) > 107 {
			failed("api.socket", fmt.Errorf("a path of %d bytes is too long for a socket; 107 is the most", len(a.Socket)))
		}
	}
	for _, host := range a.Hosts {
		failed("api.hosts", httpapi.CheckHost(host))
	}
	for _, glob := range a.Namespaces {
		failed("api.namespaces", httpapi.CheckNamespaceGlob(glob))
	}
}

// checkAddress checks HOST:PORT, with a port from least.
func checkAddress(address string, least int, example string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address; write HOST:PORT, such as %q", address, example)
	}
	if n, err := strconv.Atoi(port); err != nil || n < least || n > 65535 {
		return fmt.Errorf("%q has no port from 1 to 65535; write HOST:PORT, such as %q", address, example)
	}
	if host == "" && least > 0 {
		return fmt.Errorf("%q names no host; write HOST:PORT, such as %q", address, example)
	}
	return checkHostName(host)
}

func checkHostName(host string) error {
	if strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '/' }) {
		return fmt.Errorf("%q is no host", host)
	}
	return nil
}

// checkKind wants the name of a kind of measurements.
func checkKind(name string) error {
	known := hostmetrics.KindNames()
	if slices.Contains(known, name) {
		return nil
	}
	if upper := strings.ToUpper(name); slices.Contains(known, upper) {
		return fmt.Errorf("%q is not a kind; %q is meant?", name, upper)
	}
	return fmt.Errorf("%q is not a kind; the kinds are %s", name, strings.Join(known, ", "))
}

// checkHost checks HOST or HOST:PORT.
func checkHost(host string) error {
	if host == "" {
		return errors.New("an empty name is no host")
	}
	return checkHostName(host)
}

// checkRegistry wants an address of a registry.
func (c Config) checkRegistry() error {
	if c.Agent.RegistryAddr == "" {
		return errors.New("missing; write http://HOST, https://HOST, or file:///PATH for a registry file")
	}
	if filepath.IsAbs(c.Agent.RegistryAddr) {
		return fmt.Errorf("%q is a path; write %q for a registry file", c.Agent.RegistryAddr, "file://"+c.Agent.RegistryAddr)
	}
	_, err := c.Registry(nil)
	return err
}

// checkUser wants a user of this system.
func checkUser(name string) error {
	_, err := user.Lookup(name)
	if !errors.As(err, new(user.UnknownUserError)) {
		return err
	}
	if name == DefaultConfig().Agent.PluginsUser && os.Geteuid() != 0 {
		return nil // nobody asked for it, and plugins run as the agent's own user
	}
	return fmt.Errorf("there is no user %q on this system; make it (useradd --system %s) or name another", name, name)
}
