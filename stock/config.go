package stock

import (
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/lodastack/agent/internal/httpapi"
	"github.com/lodastack/agent/internal/nsqoutput"
	"github.com/lodastack/agent/internal/safedir"
)

// Config is the content of a config file, with defaults for keys that are left out; see
// [ReadConfig]. Its fields have the names of the keys, which docs/configuration.md
// describes. Paths are absolute.
type Config struct {
	Agent  AgentConfig
	Output OutputConfig
	API    APIConfig
	Policy PolicyConfig
	Log    LogConfig
	Statsd StatsdConfig
	// Tags are for every point that has none of the same key; see [agent.WithTags].
	// Empty, the default: there are none.
	Tags map[string]string
	Time struct {
		// Servers are NTP servers, HOST or HOST:PORT, asked in turn. The default
		// is pool.ntp.org. Empty: the kind TIME is not collected.
		Servers []string
	}
	Coredump struct {
		// Dir is where core dumps appear. The default is /home/coresave.
		Dir string
	}
	Collect struct {
		// Disable names kinds of measurements that are never collected, in
		// capitals: CPU, TIME, … Empty, the default: all are collected.
		Disable []string
		// Detail names kinds of which more is measured: DISK, NET, PROC. Empty, the default:
		// none.
		Detail []string
		// Include, unless it is empty, and Exclude select mounts, disks, interfaces and so
		// on by name.
		Include, Exclude HostGlobs
		// Root is where the host's file system is mounted, for an agent in a
		// container. The default is /.
		Root string
	}

	// Warnings are sentences, each with its line, about keys that have no meaning any
	// more and values that are not safe. Empty: there are none.
	Warnings []string
}

// AgentConfig is the section agent.
type AgentConfig struct {
	// Listen is the TCP address of the HTTP API, HOST:PORT; the port 0 is a free
	// one. The default is 127.0.0.1:1232.
	Listen string
	// IfacePrefix are the beginnings of the names of the network interfaces
	// to measure. Empty, the default: all but loopback and virtual ones.
	IfacePrefix []string
	// RegistryAddr are http://…, https://… or file:///PATH. If there are several, they
	// are joined by [agent.Registries], the first one first. Required, unless there is a
	// registry of your own; see [RegistryConfig].
	RegistryAddr []string
	// PluginsDir holds the plugins, PLUGINSDIR/NS/PROJECT. The default is
	// /usr/local/agent-plugins.
	PluginsDir string
	// PluginsUser is the user that plugins run as if the agent is root. It
	// must exist; "dynamic" gives each namespace a user of its own. The default is
	// nobody.
	PluginsUser string
	// Git is where plugins are cloned from, with one %s in it, or with one %o
	// and one %p; see [GitRunnerConfig]. Empty, the default: no plugin can be
	// installed.
	Git string
	// GitUser is the user that git runs as if the agent is root. Empty, the
	// default: agent-git if that user exists and Git needs no keys or
	// configuration of root's, else root.
	GitUser string
	// GitTimeout is how long git may take for one plugin, a second to a day. The
	// default is 2 minutes.
	GitTimeout time.Duration
	// GitMaxSize bounds the transfer of a plugin, and its files on disk, in bytes,
	// 1 MiB to 1 TiB. The default is 256 MiB.
	GitMaxSize int64
	// GitMaxFiles bounds the number of a plugin's files and directories, 1 to 10
	// million. The default is 20,000.
	GitMaxFiles int
	// Branch of the plugins' releases. If a repository does not have it, its default
	// branch is used. The default is release.
	Branch string
	// DataDir holds what the agent keeps from one run to the next, and points
	// that are not yet delivered. Empty, the default: PluginsDir/.agent; see
	// [Config.DataDir].
	DataDir string
	// PIDFile names and locks the running agent. The default is
	// /var/run/agent.pid.
	PIDFile string
	// Hostname is the tag host. Empty, the default: the system's host name.
	Hostname string
	// UpdateInterval is how often the registry is asked, a second to a day. The
	// default is 10 minutes.
	UpdateInterval time.Duration
}

// Names of outputs.
const (
	outputNSQ    = "nsq"
	outputStdout = "stdout"
)

// OutputConfig is the section output.
type OutputConfig struct {
	// Name is nsq, or stdout for line protocol on standard output. The default
	// is nsq.
	Name string
	// Servers are nsqd's TCP addresses, HOST:PORT. At least one is required for
	// nsq, unless there is an output of your own.
	Servers []string
	// BufferSize is the number of points that wait in memory, 1 to 10 million.
	// The default is 1000.
	BufferSize int
	// Format of the messages to NSQ, influx or json. The default is influx.
	Format string
	// TopicPrefix stands before the namespace in a topic's name. The default is
	// "collect.". Empty: no prefix.
	TopicPrefix string
	// MaxMessageSize is how large a message to NSQ may be, in bytes, 1 KiB to
	// 64 MiB. The default is 1 MiB.
	MaxMessageSize int64
	// SpoolSize bounds the points that are kept on disk while the output is down, in
	// bytes, 1 MiB to 1 PiB. The default is 1 GiB. Zero: nothing is kept on disk.
	SpoolSize int64
	// SpoolAge bounds how long points are kept on disk, a minute to 366 days.
	// The default is 7 days.
	SpoolAge time.Duration
	// TLS encrypts the connections to nsqd. The default is false.
	TLS bool
	// TLSCA is a PEM file of certificates to trust. Empty, the default: those
	// that the system trusts.
	TLSCA string
	// TLSCert and TLSKey are PEM files of a certificate to show and of its key.
	// Empty, the default: none is shown.
	TLSCert, TLSKey string
	// TLSServerName is the name that the servers' certificates must have. Empty,
	// the default: the host of their address.
	TLSServerName string
	// AuthSecretFile holds the secret for nsqd's AUTH. Empty, the default: there
	// is none.
	AuthSecretFile string
}

// APIConfig is the section api.
type APIConfig struct {
	// TokenFile holds the bearer token that allows control from elsewhere.
	// Empty, the default: there is none.
	TokenFile string
	// TLSCert and TLSKey are PEM files of the server's certificate and key.
	// Empty, the default: no TLS.
	TLSCert, TLSKey string
	// ClientCA is a PEM file of CA certificates. A client with a certificate that they
	// have signed may control the agent. It needs TLSCert. Empty, the default: no
	// certificate allows control.
	ClientCA string
	// Socket is the path of a unix socket to listen on, too, of at most 107 bytes.
	// Empty, the default: there is none.
	Socket string
	// LocalControl says which callers on this host may control the agent without any
	// other proof: loopback (those over a loopback address or the socket), socket
	// (only those over the socket, which must be set) or token (none: TokenFile or
	// ClientCA is needed). The default is loopback.
	LocalControl string
	// Hosts are names, without port, under which the API may be addressed,
	// besides localhost, the host's own name and IP addresses. Empty, the
	// default: no others.
	Hosts []string
	// Namespaces are globs of namespaces that posts may go to, besides the
	// host's own: "shop.*" for example. Empty, the default: no others.
	Namespaces []string
	// Page serves the page at /, last values and an hour's history, for which
	// the agent remembers some of what passes: see [agent.WithoutPage]. The
	// default is true.
	Page bool
	// MaxBody bounds the body of a request, in bytes, 1 KiB to 256 MiB. The
	// default is 16 MiB.
	MaxBody int64
	// HeaderTimeout bounds how long a client takes to send the header of a
	// request, a second to an hour. The default is 5 s.
	HeaderTimeout time.Duration
	// ReadTimeout bounds how long it takes to send the whole request, a second
	// to a day. The default is 30 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds a request from the end of its header to the end of its
	// answer, a second to a day. The default is a minute.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept between two requests, a second
	// to a day. The default is 2 minutes.
	IdleTimeout time.Duration
	// MaxConnections at a time, to the address and to the socket each, 1 to
	// 100,000. Idle ones make room for new ones; if none is idle, new ones
	// wait. One client's address holds at most three quarters. The default is
	// 1024.
	MaxConnections int
}

// PolicyConfig is the section policy: what may run on this host, whatever the
// registry asks for.
type PolicyConfig struct {
	// Plugins are globs of the repositories ORG/PROJECT that may be installed;
	// a * stands for any text without a slash. Empty, the default: all may.
	Plugins []string
	// Signers is an allowed_signers file, see ssh-keygen(1): only commits and
	// tags that one of them has signed are installed. Empty, the default:
	// signatures are not verified.
	Signers string
	// Pinned allows only plugins with a version. The default is false.
	Pinned bool
	// Calls allows runs that are requested over HTTP. The default is true.
	Calls bool
	// Plugin says how plugins that match run; the first that matches counts.
	Plugin []PluginPolicy
}

// PluginPolicy says how plugins that match run. For a zero field the default of all
// plugins holds.
type PluginPolicy struct {
	// Match is a glob of repositories ORG/PROJECT.
	Match string
	// User that the plugins run as if the agent is root; "dynamic" gives each
	// namespace one of its own.
	User string
	// Env is the path of a file with lines NAME=VALUE for their environment,
	// which only its owner may read.
	Env string
	// Memory of a run in bytes, 1 MiB to 1 TiB.
	Memory int64
	// Pids is how many processes and threads a run may have at a time, 1 to
	// 100,000.
	Pids int
	// CPU in cores, 0.01 to 1024.
	CPU float64
	// State is how much a plugin may keep in its own directory, in bytes, 1 MiB to 1
	// TiB.
	State int64
	// Network is false if the plugins have none.
	Network bool
}

// levelFatal is the level FATAL of a config: only errors that end the agent are logged.
const levelFatal = slog.Level(12)

// LogConfig is the section log.
type LogConfig struct {
	// LogDir holds the log files. Empty, the default: the log goes to standard
	// error.
	LogDir string
	// Level is the lowest level that is logged: that of DEBUG, INFO (zero, and the
	// default), WARNING or ERROR, or 12 for FATAL.
	Level slog.Level
	// LogRotateNum is how many full files are kept, 0 to 10,000. The default is
	// 5.
	LogRotateNum int
	// LogRotateSize is the size at which a file is full, in bytes, 4 KiB to 1 PiB. The
	// default is 100 MiB.
	LogRotateSize int64
}

// defaultConfig returns the config of an empty file. The required keys are missing.
func defaultConfig() Config {
	c := Config{
		Agent: AgentConfig{
			Listen:         "127.0.0.1:1232",
			PluginsDir:     "/usr/local/agent-plugins",
			PluginsUser:    "nobody",
			Branch:         "release",
			GitTimeout:     2 * time.Minute,
			GitMaxSize:     256 << 20,
			GitMaxFiles:    20_000,
			PIDFile:        "/var/run/agent.pid",
			UpdateInterval: 10 * time.Minute,
		},
		Policy: PolicyConfig{Calls: true},
		Output: OutputConfig{
			Name:           outputNSQ,
			BufferSize:     1000,
			Format:         nsqoutput.Influx,
			TopicPrefix:    nsqoutput.DefaultTopicPrefix,
			MaxMessageSize: 1 << 20,
			SpoolSize:      1 << 30,
			SpoolAge:       7 * 24 * time.Hour,
		},
		API: APIConfig{
			LocalControl:   httpapi.ControlLoopback,
			Page:           true,
			MaxBody:        16 << 20,
			HeaderTimeout:  5 * time.Second,
			ReadTimeout:    30 * time.Second,
			WriteTimeout:   time.Minute,
			IdleTimeout:    2 * time.Minute,
			MaxConnections: 1024,
		},
		Log: LogConfig{Level: slog.LevelInfo, LogRotateNum: 5, LogRotateSize: 100 << 20},
	}
	c.Time.Servers = []string{"pool.ntp.org"}
	c.Coredump.Dir = "/home/coresave"
	c.Collect.Root = "/"
	return c
}

// DataDir returns the directory in which the agent keeps data from one run to the next.
func (c Config) DataDir() string {
	if c.Agent.DataDir != "" {
		return c.Agent.DataDir
	}
	return filepath.Join(c.Agent.PluginsDir, ".agent")
}

// dirs are the directories that belong to one agent alone, without the log's. Without
// plugins from git it needs none for them.
func (c Config) dirs(plugins bool) []safedir.Dir {
	dirs := []safedir.Dir{{Path: c.DataDir(), Key: "agent.datadir", Perm: 0o700}}
	if plugins {
		// First, since the other one may be in it.
		dirs = slices.Insert(dirs, 0, safedir.Dir{Path: c.Agent.PluginsDir, Key: "agent.pluginsdir", Perm: 0o755})
	}
	return dirs
}
