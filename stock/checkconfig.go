package stock

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/lodastack/agent/internal/hostport"
	"github.com/lodastack/agent/internal/httpapi"
	"github.com/lodastack/agent/internal/nsqoutput"
	"github.com/lodastack/agent/internal/safedir"
	"github.com/lodastack/agent/internal/safefile"
	"github.com/lodastack/agent/internal/topic"
)

// noteFault notes that the value of a key has the fault err; nil: it has none.
type noteFault func(key string, err error)

// notingFaults calls fail for each fault.
func notingFaults(fail func(key, reason string)) noteFault {
	return func(key string, err error) {
		if err != nil {
			fail(key, err.Error())
		}
	}
}

// check calls fail for every fault besides wrong types and bounds. The keys that a part
// requires may be missing if that part is given.
func (c Config) check(fail func(key, reason string), given agent.Parts) {
	note := notingFaults(fail)
	c.Agent.check(note)
	if len(c.Agent.RegistryAddr) > 0 || given.Registry == nil {
		c.checkRegistry(note)
	}
	if len(c.Output.Servers) > 0 || c.Output.Name == outputNSQ && given.Output == nil {
		for _, err := range nsqoutput.CheckServers(c.Output.Servers) {
			note("output.servers", err)
		}
	}
	c.Output.check(note)
	c.API.check(note)
	c.Policy.check(note)
	c.Statsd.check(note, c.Output.TopicPrefix)
	note("log.logdir", c.checkLogDir())
	note("coredump.dir", checkPath(c.Coredump.Dir))
	note("collect.root", checkPath(c.Collect.Root))
	for _, kind := range c.Collect.Disable {
		note("collect.disable", checkKind(kind))
	}
	for _, kind := range c.Collect.Detail {
		if !slices.Contains(hostmetrics.DetailedKinds(), kind) {
			note("collect.detail", fmt.Errorf("%q has no details; the kinds that have are %s", kind, strings.Join(hostmetrics.DetailedKinds(), ", ")))
		}
	}
	c.Collect.Include.check("collect.include.", note)
	c.Collect.Exclude.check("collect.exclude.", note)
	c.checkTags(note)
	for _, server := range c.Time.Servers {
		note("time.servers", hostport.CheckHost(server))
	}
	c.checkRoom(note)
}

func (a AgentConfig) check(note noteFault) {
	note("agent.listen", hostport.CheckListen(a.Listen, "127.0.0.1:1232"))
	for _, prefix := range a.IfacePrefix {
		if prefix == "" || strings.ContainsFunc(prefix, unicode.IsSpace) {
			note("agent.ifaceprefix", fmt.Errorf(`no interface's name begins with %q; write [ "eth" ], or leave the key out`, prefix))
		}
	}
	note("agent.pluginsuser", gitrunner.CheckUser(a.PluginsUser))
	if a.Git != "" {
		note("agent.git", gitrunner.CheckGit(a.Git))
	}
	note("agent.gituser", gitrunner.CheckGitUser(a.GitUser, a.PluginsUser))
	note("agent.branch", gitrunner.CheckBranch(a.Branch))
	note("agent.pidfile", checkPath(a.PIDFile))
	if a.Hostname != "" {
		note("agent.hostname", agent.CheckHostname(a.Hostname))
	}
}

// checkRoom checks the directories that the agent fills and `agent stop -m clean` empties.
func (c Config) checkRoom(note noteFault) {
	plugins := c.Agent.PluginsDir
	if err := checkDir(plugins); err != nil {
		note("agent.pluginsdir", err)
	} else if err := safedir.Check(plugins); err != nil {
		note("agent.pluginsdir", err)
	}
	if c.Agent.DataDir == "" {
		return
	}
	data := filepath.Clean(c.Agent.DataDir)
	if err := checkDir(data); err != nil {
		note("agent.datadir", err)
	} else if err := safedir.Check(data); err != nil {
		note("agent.datadir", err)
	} else {
		note("agent.datadir", safedir.CheckData(plugins, data))
	}
}

func (c Config) checkTags(note noteFault) {
	bad := false
	for key, value := range c.Tags {
		err := agent.CheckTags(map[string]string{key: value})
		bad = bad || err != nil
		note("tags."+key, err)
	}
	if !bad {
		note("tags", agent.CheckTags(c.Tags))
	}
}

// checkLogDir returns an error if the agent uses the directory for something else, too.
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

func (o OutputConfig) check(note noteFault) {
	if o.Name != outputNSQ && o.Name != outputStdout {
		note("output.name", fmt.Errorf("%q is not an output; write nsq or stdout", o.Name))
	}
	note("output.format", nsqoutput.CheckFormat(o.Format))
	note("output.topicprefix", topic.CheckPrefix(o.TopicPrefix))
	if o.SpoolSize > 0 && o.SpoolSize < 1<<20 {
		note("output.spoolsize", fmt.Errorf("%d bytes are too few; write 1 MiB (1048576) or more, or 0 for no spool", o.SpoolSize))
	}
	for key, value := range map[string]string{"output.tlsca": o.TLSCA, "output.tlscert": o.TLSCert, "output.tlskey": o.TLSKey, "output.tlsservername": o.TLSServerName} {
		if value != "" && !o.TLS {
			note(key, errors.New("set, but output.tls is not true"))
		}
	}
	checkKeyPair(note, "output.tlscert", o.TLSCert, "output.tlskey", o.TLSKey)
	note("output.tlsca", checkCertificates(o.TLSCA))
	note("output.authsecretfile", checkSecret(o.AuthSecretFile))
}

func (a APIConfig) check(note noteFault) {
	note("api.tokenfile", checkSecret(a.TokenFile))
	checkKeyPair(note, "api.tlscert", a.TLSCert, "api.tlskey", a.TLSKey)
	if a.ClientCA != "" && a.TLSCert == "" {
		note("api.clientca", errors.New("clients can show certificates only over TLS; set api.tlscert and api.tlskey too"))
	}
	note("api.clientca", checkCertificates(a.ClientCA))
	if a.Socket != "" {
		note("api.socket", checkPath(a.Socket))
		if len(a.Socket) > 107 {
			note("api.socket", fmt.Errorf("a path of %d bytes is too long for a socket; the limit is 107", len(a.Socket)))
		}
	}
	note("api.localcontrol", a.checkLocalControl())
	for _, host := range a.Hosts {
		note("api.hosts", httpapi.CheckHost(host))
	}
	for _, glob := range a.Namespaces {
		note("api.namespaces", httpapi.CheckNamespaceGlob(glob))
	}
}

// checkLocalControl returns an error for a value with which nobody could control the
// agent.
func (a APIConfig) checkLocalControl() error {
	switch {
	case a.LocalControl == httpapi.ControlSocket && a.Socket == "":
		return errors.New("only callers over the unix socket could control the agent, and there is none; set api.socket, or write \"loopback\"")
	case a.LocalControl == httpapi.ControlToken && a.TokenFile == "" && a.ClientCA == "":
		return errors.New("nobody could control the agent; set api.tokenfile or api.clientca, or write \"loopback\"")
	}
	return httpapi.CheckLocalControl(a.LocalControl)
}

// checkKind returns an error unless name is a kind of measurements.
func checkKind(name string) error {
	known := hostmetrics.KindNames()
	if slices.Contains(known, name) {
		return nil
	}
	if upper := strings.ToUpper(name); slices.Contains(known, upper) {
		return fmt.Errorf("%q is not a kind; did you mean %q?", name, upper)
	}
	return fmt.Errorf("%q is not a kind; the kinds are %s", name, strings.Join(known, ", "))
}

func (g HostGlobs) check(section string, note noteFault) {
	for name, globs := range g.byKey() {
		for _, glob := range *globs {
			note(section+name, hostmetrics.CheckGlob(glob))
		}
	}
}

// checkRegistry calls fail for each address that is not a registry's.
func (c Config) checkRegistry(note noteFault) {
	const key = "agent.registryaddr"
	if len(c.Agent.RegistryAddr) == 0 {
		note(key, errors.New("missing; write http://HOST, https://HOST, file:///PATH for a registry file, or git+https://HOST/PATH for a fleet repository"))
	}
	for i, address := range c.Agent.RegistryAddr {
		if filepath.IsAbs(address) {
			note(key, fmt.Errorf("%q is a path; write %q for a registry file", address, "file://"+address))
			continue
		}
		if slices.Contains(c.Agent.RegistryAddr[:i], address) {
			note(key, errors.New("an address occurs twice"))
			continue
		}
		_, err := c.registryAt(address, RegistryConfig{})
		note(key, err)
	}
}
