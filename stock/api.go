package stock

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/lodastack/agent/internal/httpapi"
	"github.com/lodastack/agent/internal/httpserver"
)

// serveAPI serves the HTTP API as the config says. security is for listeners of
// TCP; nil: without TLS.
func serveAPI(cfg APIConfig, on listeners, security *tls.Config, handler http.Handler, logger *slog.Logger) *httpserver.Server {
	var all []net.Listener
	for _, listener := range on {
		all = append(all, listener)
	}
	return httpserver.Serve(httpserver.Config{
		Handler:        handler,
		TLS:            security,
		HeaderTimeout:  cfg.HeaderTimeout,
		ReadTimeout:    cfg.ReadTimeout,
		WriteTimeout:   cfg.WriteTimeout,
		IdleTimeout:    cfg.IdleTimeout,
		MaxConnections: cfg.MaxConnections,
		ConnContext:    httpapi.ConnContext,
		Logger:         logger,
	}, all...)
}

// tlsConfig reads the files for TLS; nil if it is off. A client may show a
// certificate; one that ClientCA has not signed is refused.
func (a APIConfig) tlsConfig() (*tls.Config, error) {
	if a.TLSCert == "" {
		return nil, nil
	}
	pair, err := loadKeyPair(a.TLSCert, a.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("api.tlscert: %w", err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
	}
	if a.ClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = readCertificates(a.ClientCA); err != nil {
		return nil, fmt.Errorf("api.clientca: %w", err)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	return config, nil
}

// warnOpen warns if other hosts can connect, and says who may control the agent.
func warnOpen(cfg Config, logger *slog.Logger) {
	host, _, err := net.SplitHostPort(cfg.Agent.Listen)
	if err != nil || isLoopback(host) {
		return
	}
	control := "only callers on this host can control the agent"
	switch {
	case cfg.API.TokenFile != "" && cfg.API.ClientCA != "":
		control = "controlling the agent needs the token of api.tokenfile or a certificate of api.clientca"
	case cfg.API.TokenFile != "":
		control = "controlling the agent needs the token of api.tokenfile"
	case cfg.API.ClientCA != "":
		control = "controlling the agent needs a certificate of api.clientca"
	}
	logger.Warn("the HTTP API is open to other hosts: everybody who reaches this address can read the agent's status and post metrics; "+
		control+"; set agent.listen to 127.0.0.1:1232 to close it", "address", cfg.Agent.Listen)
}
