package stock

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqoutput"
	"github.com/lodastack/agent/internal/systemca"
)

// outputOf makes the output that the config names.
func outputOf(cfg Config, logger *slog.Logger) (agent.Output, error) {
	if cfg.Output.Name == OutputStdout {
		return agent.NewWriterOutput(os.Stdout), nil
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
	output, err := NSQOutput(nsq)
	if err != nil || o.SpoolSize == 0 {
		return output, err
	}
	return Spool(SpoolConfig{
		Dir:     filepath.Join(cfg.DataDir(), "spool"),
		MaxSize: o.SpoolSize,
		MaxAge:  o.SpoolAge,
		Logger:  logger,
	}, output)
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
		pair, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("output.tlscert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
