package stock

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqoutput"
	"github.com/lodastack/agent/internal/pipewriter"
	"github.com/lodastack/agent/internal/systemca"
	"github.com/lodastack/agent/internal/terminal"
)

// outputOf makes the output that the config names.
func outputOf(cfg Config, logger *slog.Logger) (agent.Output, error) {
	if cfg.Output.Name == OutputStdout {
		return agent.NewWriterOutput(stdout()), nil
	}
	o := cfg.Output
	nsq := NSQConfig{
		Servers:        o.Servers,
		TopicPrefix:    o.TopicPrefix,
		Format:         nsqoutput.Format(o.Format),
		MaxMessageSize: int(o.MaxMessageSize),
		Hostname:       cfg.Agent.Hostname,
		Logger:         logger,
	}
	var err error
	if nsq.TLS, err = o.tlsConfig(); err != nil {
		return nil, err
	}
	if o.AuthSecretFile != "" {
		if nsq.AuthSecret, err = readSecret(o.AuthSecretFile); err != nil {
			return nil, fmt.Errorf("output.authsecretfile: %w", err)
		}
	}
	return NSQOutput(nsq)
}

// stdout returns standard output. Where that is a terminal, what is written
// cannot control it.
func stdout() io.Writer {
	w := pipewriter.New(os.Stdout)
	if info, err := os.Stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return terminal.NewWriter(w)
	}
	return w // programs are to read what was sent
}

// storeOf opens the store that the config names; nil where there is none.
func storeOf(cfg Config, logger *slog.Logger) (agent.Store, error) {
	if cfg.Output.Name == OutputStdout || cfg.Output.SpoolSize == 0 {
		return nil, nil
	}
	return Spool(SpoolConfig{
		Dir:     filepath.Join(cfg.DataDir(), "spool"),
		MaxSize: cfg.Output.SpoolSize,
		MaxAge:  cfg.Output.SpoolAge,
		Logger:  logger,
	})
}

// tlsConfig reads the files for TLS to nsqd; nil where it is off.
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
