package stock

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/httpapi"
	"github.com/lodastack/agent/internal/httpregistry"
	"github.com/lodastack/agent/internal/nsqoutput"
)

// DefaultPath is where the agent's config file is expected.
const DefaultPath = "/etc/agent.conf"

// ReadConfig reads the config file at path and checks it for an agent of this process's
// user. The error has a line for each fault, FILE:LINE: KEY: REASON. The readable values
// are returned with it.
func ReadConfig(path string) (Config, error) { return readConfig(path, true, agent.Parts{}) }

// ReadConfigValues is [ReadConfig] for a program that asks about the agent and does not run
// it: another user may own the agent's files and directories.
func ReadConfigValues(path string) (Config, error) { return readConfig(path, false, agent.Parts{}) }

// readConfig reads a config of an agent with the given parts. own says that it
// is for this process to run.
func readConfig(path string, own bool, given agent.Parts) (Config, error) {
	file, err := configfile.Read(path)
	if err != nil {
		return defaultConfig(), err
	}
	return takeConfig(file, path, own, given)
}

// takeConfig is readConfig once the file is parsed.
func takeConfig(file *configfile.File, path string, own bool, given agent.Parts) (Config, error) {
	c := defaultConfig()
	c.read(file)
	c.check(file.Fail, given)
	if own {
		checkConfigFiles(path, file)
		c.checkAccess(file.Fail)
	}
	c.warn(file)
	return c, file.Err()
}

// warn adds a warning for each value that is valid but not safe.
func (c *Config) warn(f *configfile.File) {
	warn := func(key, text string) {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s: %s: %s", f.Where(key), key, text))
	}
	if slices.ContainsFunc(c.Agent.RegistryAddr, httpregistry.Cleartext) {
		warn("agent.registryaddr", "http is not encrypted: "+
			"whoever can change the traffic decides what this host collects and which plugins it runs; use https")
	}
	if plainGit(c.Agent.Git) {
		warn("agent.git", "git:// and http:// are not encrypted: "+
			"whoever can change the traffic decides which plugins this host runs; use https:// or ssh://")
	}
	if c.Agent.Git != "" && c.Policy.Signers == "" {
		warn("agent.git", "plugins need no signature: "+
			"whoever can write to a plugin's repository decides what this host runs; name an allowed_signers file in policy.signers")
	}
	if gitrunner.RunsGitAsRoot(c.Agent.Git, c.Agent.GitUser, c.Agent.PluginsUser) {
		warn("agent.git", "git runs as root: "+
			"create a user for it (useradd --system --create-home "+gitrunner.DefaultGitUser+") or name one in agent.gituser")
	}
	if c.Statsd.open() {
		warn("statsd.listen", "other hosts can send, and statsd has no passwords: "+
			"whoever reaches the address can send metrics of any name; use 127.0.0.1")
	}
}

// Bounds of numbers of the config.
const (
	maxBuffer = 10_000_000
	day       = 24 * time.Hour
)

// read copies the values of the file.
func (c *Config) read(f *configfile.File) {
	c.Agent.read(f)
	c.Output.read(f)
	c.API.read(f)
	c.Policy.read(f)
	c.Log.read(f)
	f.String("statsd.listen", &c.Statsd.Listen)
	f.String("statsd.namespace", &c.Statsd.Namespace)
	c.readTags(f)
	f.Strings("collect.disable", &c.Collect.Disable)
	f.Strings("collect.detail", &c.Collect.Detail)
	c.Collect.Include.read(f, "collect.include.")
	c.Collect.Exclude.read(f, "collect.exclude.")
	f.String("collect.root", &c.Collect.Root)
	f.Strings("time.servers", &c.Time.Servers)
	f.String("coredump.dir", &c.Coredump.Dir)
	for _, section := range []string{"trace", "member"} {
		if f.Skip(section) {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: the section %s is ignored: this agent does not use it", f.Where(section), section))
		}
	}
}

func (a *AgentConfig) read(f *configfile.File) {
	f.String("agent.listen", &a.Listen)
	f.Strings("agent.ifaceprefix", &a.IfacePrefix)
	f.StringOrStrings("agent.registryaddr", &a.RegistryAddr)
	f.String("agent.pluginsdir", &a.PluginsDir)
	f.String("agent.pluginsuser", &a.PluginsUser)
	f.String("agent.git", &a.Git)
	f.String("agent.gituser", &a.GitUser)
	f.Duration("agent.gittimeout", &a.GitTimeout, time.Second, day)
	f.Size("agent.gitmaxsize", &a.GitMaxSize, 1<<20, 1<<40)
	f.Int("agent.gitmaxfiles", &a.GitMaxFiles, 1, 10_000_000)
	f.String("agent.branch", &a.Branch)
	f.String("agent.datadir", &a.DataDir)
	f.String("agent.pidfile", &a.PIDFile)
	f.String("agent.hostname", &a.Hostname)
	f.Duration("agent.updateinterval", &a.UpdateInterval, time.Second, day)
}

func (o *OutputConfig) read(f *configfile.File) {
	f.String("output.name", &o.Name)
	f.Strings("output.servers", &o.Servers)
	f.Int("output.buffersize", &o.BufferSize, 1, maxBuffer)
	f.String("output.format", &o.Format)
	f.String("output.topicprefix", &o.TopicPrefix)
	f.Size("output.maxmessagesize", &o.MaxMessageSize, nsqoutput.SmallestMessageSize, nsqoutput.LargestMessageSize)
	f.Size("output.spoolsize", &o.SpoolSize, 0, 1<<50)
	f.Duration("output.spoolage", &o.SpoolAge, time.Minute, 366*day)
	f.Bool("output.tls", &o.TLS)
	f.String("output.tlsca", &o.TLSCA)
	f.String("output.tlscert", &o.TLSCert)
	f.String("output.tlskey", &o.TLSKey)
	f.String("output.tlsservername", &o.TLSServerName)
	f.String("output.authsecretfile", &o.AuthSecretFile)
}

func (l *LogConfig) read(f *configfile.File) {
	f.String("log.logdir", &l.LogDir)
	readLevel(f, "log.loglevel", &l.Level)
	f.Int("log.logrotatenum", &l.LogRotateNum, 0, 10_000)
	f.Size("log.logrotatesize", &l.LogRotateSize, 4<<10, 1<<50)
}

func (c *Config) readTags(f *configfile.File) {
	for _, name := range f.Names("tags") {
		var value string
		if f.String("tags."+name, &value); value != "" {
			if c.Tags == nil {
				c.Tags = map[string]string{}
			}
			c.Tags[name] = value
		}
	}
}

func (g *HostGlobs) read(f *configfile.File, section string) {
	for name, globs := range g.byKey() {
		f.Strings(section+name, globs)
	}
}

// byKey returns the globs by the last word of their keys.
func (g *HostGlobs) byKey() map[string]*[]string {
	return map[string]*[]string{
		"mounts": &g.Mounts, "fstypes": &g.FSTypes, "rw": &g.RW,
		"disks": &g.Disks, "interfaces": &g.Interfaces, "sensors": &g.Sensors, "cores": &g.Cores,
		"cgroups": &g.Cgroups, "units": &g.Units,
	}
}

func (a *APIConfig) read(f *configfile.File) {
	f.String("api.tokenfile", &a.TokenFile)
	f.String("api.tlscert", &a.TLSCert)
	f.String("api.tlskey", &a.TLSKey)
	f.String("api.clientca", &a.ClientCA)
	f.String("api.socket", &a.Socket)
	f.String("api.localcontrol", &a.LocalControl)
	f.Strings("api.hosts", &a.Hosts)
	f.Strings("api.namespaces", &a.Namespaces)
	f.Bool("api.page", &a.Page)
	f.Size("api.maxbody", &a.MaxBody, httpapi.LeastMaxBody, httpapi.LargestMaxBody)
	f.Duration("api.headertimeout", &a.HeaderTimeout, time.Second, time.Hour)
	f.Duration("api.readtimeout", &a.ReadTimeout, time.Second, day)
	f.Duration("api.writetimeout", &a.WriteTimeout, time.Second, day)
	f.Duration("api.idletimeout", &a.IdleTimeout, time.Second, day)
	f.Int("api.maxconnections", &a.MaxConnections, 1, 100_000)
}

func (p *PolicyConfig) read(f *configfile.File) {
	f.Strings("policy.plugins", &p.Plugins)
	f.String("policy.signers", &p.Signers)
	f.Bool("policy.pinned", &p.Pinned)
	f.Bool("policy.calls", &p.Calls)
	f.Tables("policy.plugin", func(t *configfile.File) {
		rule := PluginPolicy{Network: true}
		t.String("match", &rule.Match)
		t.String("user", &rule.User)
		t.String("env", &rule.Env)
		t.Size("memory", &rule.Memory, 1<<20, 1<<40)
		t.Int("pids", &rule.Pids, 1, 100_000)
		t.Float("cpu", &rule.CPU, 0.01, 1024)
		t.Size("state", &rule.State, 1<<20, 1<<40)
		t.Bool("network", &rule.Network)
		rule.check(notingFaults(t.Fail))
		p.Plugin = append(p.Plugin, rule)
	})
}

// readLevel reads a level's name.
func readLevel(f *configfile.File, key string, into *slog.Level) {
	name := levelName(*into)
	f.String(key, &name)
	switch strings.ToUpper(name) {
	case "":
	case "DEBUG":
		*into = slog.LevelDebug
	case "INFO":
		*into = slog.LevelInfo
	case "WARNING", "WARN":
		*into = slog.LevelWarn
	case "ERROR":
		*into = slog.LevelError
	case "FATAL":
		*into = levelFatal
	default:
		f.Fail(key, fmt.Sprintf("%q is not a level; write DEBUG, INFO, WARNING, ERROR or FATAL", name))
	}
}

// levelName is what readLevel reads as level.
func levelName(level slog.Level) string {
	switch level {
	case slog.LevelWarn:
		return "WARNING"
	case levelFatal:
		return "FATAL"
	}
	return level.String()
}

// plainGit reports whether plugins come over git:// or http:// from another host.
func plainGit(address string) bool {
	scheme, rest, _ := strings.Cut(address, "://")
	if scheme != "http" && scheme != "git" {
		return false
	}
	u, err := url.Parse("http://" + strings.ReplaceAll(rest, "%", ""))
	return err == nil && u.Hostname() != "" && !isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
