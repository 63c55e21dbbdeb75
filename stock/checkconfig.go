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

// check calls fail for every fault besides wrong types and bounds. The keys that a part
// requires may be missing if that part is given.
func (c Config) check(fail func(key, reason string), given agent.Parts) {
	failed := func(key string, err error) {
		if err != nil {
			fail(key, err.Error())
		}
	}
	c.Agent.check(failed)
	if len(c.Agent.RegistryAddr) > 0 || given.Registry == nil {
		c.checkRegistry(failed)
	}
	if len(c.Output.Servers) > 0 || c.Output.Name == outputNSQ && given.Output == nil {
		for _, err := range nsqoutput.CheckServers(c.Output.Servers) {
			failed("output.servers", err)
		}
	}
	c.Output.check(failed)
	c.API.check(failed)
	c.Policy.check(failed)
	c.Statsd.check(failed, c.Output.TopicPrefix)
	failed("log.logdir", c.checkLogDir())
	failed("coredump.dir", checkPath(c.Coredump.Dir))
	failed("collect.root", checkPath(c.Collect.Root))
	for _, kind := range c.Collect.Disable {
		failed("collect.disable", checkKind(kind))
	}
	for _, kind := range c.Collect.Detail {
		if !slices.Contains(hostmetrics.DetailedKinds(), kind) {
			failed("collect.detail", fmt.Errorf("%q has no details; the kinds that have are %s", kind, strings.Join(hostmetrics.DetailedKinds(), ", ")))
		}
	}
	c.Collect.Include.check("collect.include.", failed)
	c.Collect.Exclude.check("collect.exclude.", failed)
	c.checkTags(failed)
	for _, server := range c.Time.Servers {
		failed("time.servers", hostport.CheckHost(server))
	}
	c.checkRoom(failed)
}

func (a AgentConfig) check(failed func(key string, err error)) {
	failed("agent.listen", hostport.CheckListen(a.Listen, "127.0.0.1:1232"))
	for _, prefix := range a.IfacePrefix {
		if prefix == "" || strings.ContainsFunc(prefix, unicode.IsSpace) {
			failed("agent.ifaceprefix", fmt.Errorf(`no interface's name begins with %q; write [ "eth" ], or leave the key out`, prefix))
		}
	}
	failed("agent.pluginsuser", gitrunner.CheckUser(a.PluginsUser))
	if a.Git != "" {
		failed("agent.git", gitrunner.CheckGit(a.Git))
	}
	failed("agent.gituser", gitrunner.CheckGitUser(a.GitUser, a.PluginsUser))
	failed("agent.branch", gitrunner.CheckBranch(a.Branch))
	failed("agent.pidfile", checkPath(a.PIDFile))
	if a.Hostname != "" {
		failed("agent.hostname", agent.CheckHostname(a.Hostname))
	}
}

// checkRoom checks the directories that the agent fills and `agent stop -m clean` empties.
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

func (c Config) checkTags(failed func(key string, err error)) {
	bad := false
	for key, value := range c.Tags {
		err := agent.CheckTags(map[string]string{key: value})
		bad = bad || err != nil
		failed("tags."+key, err)
	}
	if !bad {
		failed("tags", agent.CheckTags(c.Tags))
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

func (o OutputConfig) check(failed func(key string, err error)) {
	if o.Name != outputNSQ && o.Name != outputStdout {
		failed("output.name", fmt.Errorf("%q is not an output; write nsq or stdout", o.Name))
	}
	failed("output.format", nsqoutput.CheckFormat(o.Format))
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
		failed("api.clientca", errors.New("clients can show certificates only over TLS; set api.tlscert and api.tlskey too"))
	}
	failed("api.clientca", checkCertificates(a.ClientCA))
	if a.Socket != "" {
		failed("api.socket", checkPath(a.Socket))
		if len(a.Socket) > 107 {
			failed("api.socket", fmt.Errorf("a path of %d bytes is too long for a socket; the limit is 107", len(a.Socket)))
		}
	}
	failed("api.localcontrol", a.checkLocalControl())
	for _, host := range a.Hosts {
		failed("api.hosts", httpapi.CheckHost(host))
	}
	for _, glob := range a.Namespaces {
		failed("api.namespaces", httpapi.CheckNamespaceGlob(glob))
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

func (g HostGlobs) check(section string, failed func(key string, err error)) {
	for name, globs := range g.byKey() {
		for _, glob := range *globs {
			failed(section+name, hostmetrics.CheckGlob(glob))
		}
	}
}

// checkRegistry calls fail for each address that is not a registry's.
func (c Config) checkRegistry(failed func(key string, err error)) {
	const key = "agent.registryaddr"
	if len(c.Agent.RegistryAddr) == 0 {
		failed(key, errors.New("missing; write http://HOST, https://HOST, file:///PATH for a registry file, or git+https://HOST/PATH for a fleet repository"))
	}
	for i, address := range c.Agent.RegistryAddr {
		if filepath.IsAbs(address) {
			failed(key, fmt.Errorf("%q is a path; write %q for a registry file", address, "file://"+address))
			continue
		}
		if slices.Contains(c.Agent.RegistryAddr[:i], address) {
			failed(key, errors.New("an address occurs twice"))
			continue
		}
		_, err := c.registryAt(address, RegistryConfig{})
		failed(key, err)
	}
}
