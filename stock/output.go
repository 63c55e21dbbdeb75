package stock

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqoutput"
	"github.com/lodastack/agent/internal/pipewriter"
	"github.com/lodastack/agent/internal/systemca"
	"github.com/lodastack/agent/internal/terminal"
)

// NSQConfig says to which servers the points are sent, and how.
type NSQConfig struct {
	// Servers are the TCP addresses (HOST:PORT) of the nsqds. The points go to
	// any of them, never to several. At least one is required.
	Servers []string
	// TopicPrefix stands before the namespace in a topic's name: collect. in the
	// stock agent. At most 63 characters of [.a-zA-Z0-9_-]. Empty: no prefix.
	TopicPrefix string
	// Format of the messages: influx for line protocol, one line for each point, or
	// json for the lodastack router. Empty: influx.
	Format string
	// MaxMessageSize is how large a message may be, in bytes, from 1 KiB to
	// 64 MiB. If nsqd's --max-msg-size is smaller, the output sends smaller
	// messages once nsqd has refused one. Zero: 1 MiB, nsqd's own default.
	MaxMessageSize int
	// Timeout of one attempt at one server, from connecting to the acknowledgement.
	// An attempt gets less if the context of the Write would otherwise leave too
	// little time for the servers after it. It cannot be negative. Zero: 5 s.
	Timeout time.Duration
	// TLS makes every connection use TLS. Servers that do not offer it are not used. An
	// empty ServerName means the server's host. Nil: no TLS.
	TLS *tls.Config
	// AuthSecret is sent to servers that ask for it (nsqd's
	// --auth-http-address). Without TLS it crosses the network in the clear.
	// Empty: such servers are not used.
	AuthSecret string
	// UserAgent is shown in nsqd's statistics. Empty: lodastack-agent.
	UserAgent string
	// Hostname is shown in nsqd's statistics. Empty: the system's.
	Hostname string
	// Logger for servers that go down and come back. Nil: nothing is logged.
	Logger *slog.Logger
}

// NSQOutput returns an output that publishes to NSQ, to the first server that works. It
// connects at the first write.
func NSQOutput(cfg NSQConfig) (agent.Output, error) {
	output, err := nsqoutput.New(nsqoutput.Config(cfg))
	if err != nil {
		return nil, err
	}
	return output, nil
}

// outputOf makes the output that the config names.
func outputOf(cfg Config, logger *slog.Logger) (agent.Output, error) {
	if cfg.Output.Name == outputStdout {
		return agent.NewWriterOutput(stdout()), nil
	}
	nsq, err := cfg.nsqConfig(logger)
	if err != nil {
		return nil, err
	}
	return NSQOutput(nsq)
}

// nsqConfig reads the files that the output to NSQ needs.
func (c Config) nsqConfig(logger *slog.Logger) (NSQConfig, error) {
	o := c.Output
	nsq := NSQConfig{
		Servers:        o.Servers,
		TopicPrefix:    o.TopicPrefix,
		Format:         o.Format,
		MaxMessageSize: int(o.MaxMessageSize),
		Hostname:       c.Agent.Hostname,
		Logger:         logger,
	}
	var err error
	if nsq.TLS, err = o.tlsConfig(); err != nil {
		return nsq, err
	}
	if o.AuthSecretFile != "" {
		if nsq.AuthSecret, err = readSecret(o.AuthSecretFile); err != nil {
			return nsq, fmt.Errorf("output.authsecretfile: %w", err)
		}
	}
	return nsq, nil
}

// stdout returns standard output. If that is a terminal, control characters are removed.
func stdout() io.Writer {
	w := pipewriter.New(os.Stdout)
	if info, err := os.Stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return terminal.NewWriter(w)
	}
	return w // not a terminal: programs read exactly what was sent
}

// tlsConfig reads the files for TLS to nsqd; nil if it is off.
func (o OutputConfig) tlsConfig() (*tls.Config, error) {
	if !o.TLS {
		return nil, nil
	}
	roots := systemca.Pool
	if o.TLSCA != "" {
		roots = func() (*x509.CertPool, error) { return readCertificates(o.TLSCA) }
	}
	pool, err := roots()
	if err != nil {
		return nil, fmt.Errorf("output.tlsca: %w", err)
	}
	config := &tls.Config{ServerName: o.TLSServerName, MinVersion: tls.VersionTLS12, RootCAs: pool}
	if o.TLSCert != "" {
		pair, err := loadKeyPair(o.TLSCert, o.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("output.tlscert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
