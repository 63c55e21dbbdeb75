package nsqoutput

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/go-multierror"
)

// LoadTLS returns what Config.TLS needs, from files in PEM form. caFile holds
// the authorities that nsqd's certificate may be signed by; empty stands for
// the system's. certFile and keyFile are the agent's own certificate, for an
// nsqd with --tls-client-auth-policy; both may be empty. The error names
// everything that is wrong.
func LoadTLS(caFile, certFile, keyFile string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	faults := &multierror.Error{}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			faults = multierror.Append(faults, fmt.Errorf("read the authorities for TLS: %w", err))
		} else if cfg.RootCAs = x509.NewCertPool(); !cfg.RootCAs.AppendCertsFromPEM(pem) {
			faults = multierror.Append(faults, fmt.Errorf("read the authorities for TLS: %s holds no certificate in PEM form", caFile))
		}
	}
	if (certFile == "") != (keyFile == "") {
		faults = multierror.Append(faults, errors.New("a certificate and its key belong together; name both files or none"))
	} else if certFile != "" {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			faults = multierror.Append(faults, fmt.Errorf("read the client certificate %s with the key %s: %w", certFile, keyFile, err))
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	if err := faults.ErrorOrNil(); err != nil {
		return nil, err
	}
	return cfg, nil
}
