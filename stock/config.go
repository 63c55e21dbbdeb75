package stock

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/lodastack/agent/internal/nsqoutput"
	"github.com/lodastack/agent/internal/safedir"
)

// Config is what a config file says; docs/configuration.md describes its keys,
// of which the fields have the names. Begin with [DefaultConfig].
type Config struct {
	Agent    AgentConfig
	Output   OutputConfig
	API      APIConfig
	Log      LogConfig
	Time     TimeConfig
	Coredump CoredumpConfig
	Collect  CollectConfig

	// Warnings are sentences, each with its line, about what in a file has no
	// meaning any more or is not safe.
	Warnings []string
}

// AgentConfig is the section agent.
type AgentConfig struct {
	// Listen is the TCP address of the HTTP API.
	Listen string
	// IfacePrefix are the beginnings of the names of the network interfaces
	// to measure. Empty: all but loopback and virtual ones.
	IfacePrefix []string
	// RegistryAddr is http://…, https://… or file:///…. Required.
	RegistryAddr string
	// PluginsDir holds the plugins, PLUGINSDIR/NS/PROJECT.
	PluginsDir string
	// PluginsUser is the user that plugins run as.
	PluginsUser string
	// Git is where plugins are cloned from, with one %s in it. Required once
	// a plugin is assigned.
	Git string
	// Branch of the plugins' releases.
	Branch string
	// DataDir holds what the agent remembers and points that are not yet
	// delivered. Empty: PluginsDir/.agent.
	DataDir string
	// PIDFile names and locks the running agent.
	PIDFile string
	// Hostname is the tag host. Empty: the system's host name.
	Hostname string
	// UpdateInterval is how often the registry is asked, a second to a day.
	UpdateInterval time.Duration
}

// Names of outputs.
const (
	OutputNSQ    = "nsq"
	OutputStdout = "stdout"
)

// OutputConfig is the section output.
type OutputConfig struct {
	// Name is OutputNSQ or OutputStdout.
	Name string
	// Servers are nsqd's TCP addresses, host:4150. Required for NSQ.
	Servers []string
	// BufferSize is the number of points that wait in memory, 1 to 10 million.
	BufferSize int
	// Format of the messages, influx or json.
	Format string
	// TopicPrefix stands before the namespace in a topic's name.
	TopicPrefix string
	// MaxMessageSize in bytes, 1 KiB to 64 MiB.
	MaxMessageSize int64
	// SpoolSize bounds in bytes what is kept on disk while the output takes
	// nothing, from 1 MiB. Zero: nothing is kept on disk.
	SpoolSize int64
	// SpoolAge bounds how long points are kept on disk, from a minute.
	SpoolAge time.Duration
	// TLS makes connections to nsqd encrypted. TLSCA is a file of
	// certificates to trust in place of the system's; TLSCert and TLSKey are
	// files of a certificate to show; TLSServerName is the name that the
	// servers' certificates must have in place of their address's.
	TLS                    bool
	TLSCA, TLSCert, TLSKey string
	TLSServerName          string
	// AuthSecretFile holds the secret for nsqd's AUTH.
	AuthSecretFile string
}

// APIConfig is the section api.
type APIConfig struct {
	// TokenFile holds the bearer token that allows control from elsewhere.
	TokenFile string
	// TLSCert and TLSKey are files of the server's certificate and key.
	TLSCert, TLSKey string
	// ClientCA is a file of certificates; a client that shows one signed by
	// them may control.
	ClientCA string
	// Socket is the path of a unix socket to listen on besides.
	Socket string
	// Hosts are names, without port, under which the API may be addressed,
	// besides localhost, the host's own name and IP addresses.
	Hosts []string
	// Namespaces are globs of namespaces that posts may go to, besides the
	// host's own: "shop.*" for example.
	Namespaces []string
	// MaxBody bounds the body of a request, in bytes, 1 KiB to 256 MiB.
	MaxBody int64
	// Time limits for the header of a request, the whole of a request, its
	// answer, and between two requests of a connection.
	HeaderTimeout, ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// MaxConnections at a time, to the address and to the socket each. Idle
	// ones make room for new ones; where none is idle, new ones wait. One
	// address holds at most three quarters.
	MaxConnections int
}

// LevelFatal is the level FATAL of a config: only what ends the agent.
const LevelFatal = slog.Level(12)

// LogConfig is the section log.
type LogConfig struct {
	// LogDir holds the log files. Empty: the log goes to standard error.
	LogDir string
	Level  slog.Level
	// LogRotateNum is how many full files are kept, LogRotateSize at how many
	// bytes a file is full, from 4 KiB.
	LogRotateNum  int
	LogRotateSize int64
}

// CollectConfig is the section collect.
type CollectConfig struct {
	// Disable names kinds of measurements that are never collected.
	Disable []string
}

// TimeConfig is the section time.
type TimeConfig struct {
	// Servers are NTP servers, HOST or HOST:PORT, asked in turn. Without any,
	// the kind TIME is not collected.
	Servers []string
}

// CoredumpConfig is the section coredump.
type CoredumpConfig struct {
	// Dir is where core dumps appear.
	Dir string
}

// DefaultConfig returns what holds where a config file says nothing. It lacks
// what is required.
func DefaultConfig() Config {
	return Config{
		Agent: AgentConfig{
			Listen:         "127.0.0.1:1232",
			PluginsDir:     "/usr/local/agent-plugins",
			PluginsUser:    "nobody",
			Branch:         "release",
			PIDFile:        "/var/run/agent.pid",
			UpdateInterval: 10 * time.Minute,
		},
		Output: OutputConfig{
			Name:           OutputNSQ,
			BufferSize:     1000,
			Format:         string(nsqoutput.Influx),
			TopicPrefix:    nsqoutput.DefaultTopicPrefix,
			MaxMessageSize: 1 << 20,
			SpoolSize:      1 << 30,
			SpoolAge:       7 * 24 * time.Hour,
		},
		API: APIConfig{
			MaxBody:        16 << 20,
			HeaderTimeout:  5 * time.Second,
			ReadTimeout:    30 * time.Second,
			WriteTimeout:   time.Minute,
			IdleTimeout:    2 * time.Minute,
			MaxConnections: 1024,
		},
		Log:      LogConfig{Level: slog.LevelInfo, LogRotateNum: 5, LogRotateSize: 100 << 20},
		Time:     TimeConfig{Servers: []string{"pool.ntp.org"}},
		Coredump: CoredumpConfig{Dir: "/home/coresave"},
	}
}

// DataDir returns the directory of what the agent remembers.
func (c Config) DataDir() string {
	if c.Agent.DataDir != "" {
		return c.Agent.DataDir
	}
	return filepath.Join(c.Agent.PluginsDir, ".agent")
}

// dirs are the directories that one agent has for itself. That of the log is
// the log's.
func (c Config) dirs() []safedir.Dir {
	return []safedir.Dir{
		{Path: c.Agent.PluginsDir, Key: "agent.pluginsdir", Perm: 0o755},
		{Path: c.DataDir(), Key: "agent.datadir", Perm: 0o700},
	}
}
