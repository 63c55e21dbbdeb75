package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/lodastack/agent/stock"
)

// clientPatience bounds a question to the running agent.
const clientPatience = 5 * time.Second

// client asks the running agent.
type client struct {
	http  http.Client
	base  string // URL
	where string // for people
}

// newClient returns a client of the agent of this config: through its socket
// where it has one, else at its address.
func newClient(cfg stock.Config) (*client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	c := &client{http: http.Client{Transport: transport, Timeout: clientPatience}}
	if path := cfg.API.Socket; path != "" {
		c.base, c.where = "http://localhost", path
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return c, nil
	}
	address, err := reachable(cfg.Agent.Listen)
	if err != nil {
		return nil, err
	}
	c.base, c.where = "http://"+address, address
	if cfg.API.TLSCert != "" {
		c.base = "https://" + address
		transport.TLSClientConfig, err = onlyCertificate(cfg.API.TLSCert, cfg.API.TLSKey)
	}
	return c, err
}

// reachable returns where to connect to for an address that is listened on.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("agent.listen: %w", err)
	}
	if port == "0" {
		return "", errors.New("agent.listen has port 0, a free one, which only the agent's log names: write another port, or set api.socket, to ask the agent here")
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "", err == nil && ip == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case err == nil && ip == netip.IPv6Unspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

// onlyCertificate trusts the one certificate in the file, whatever name it is
// for: it is the agent's own, and who asks is on its host.
func onlyCertificate(cert, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("api.tlscert: %w", err)
	}
	return &tls.Config{
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error {
			if len(chain) == 0 || !bytes.Equal(chain[0], pair.Certificate[0]) {
				return errors.New("what answers does not have the certificate of api.tlscert")
			}
			return nil
		},
	}, nil
}

// get returns the JSON that the agent answers.
func (c *client) get(path string) (json.RawMessage, error) {
	response, err := c.http.Get(c.base + path)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return nil, fmt.Errorf("no agent answers at %s: start one (agent start), or name its config with -f", c.where)
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("this user may not ask the agent at %s: do this as root or as the agent's user", c.where)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the agent at %s: %w", c.where, errors.Unwrap(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 256<<20))
	if err != nil {
		return nil, fmt.Errorf("ask the agent at %s: %w", c.where, err)
	}
	if response.StatusCode == http.StatusOK && json.Valid(body) {
		return body, nil
	}
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return nil, fmt.Errorf("what answers at %s is no agent: %s", c.where, response.Status)
	}
	return nil, fmt.Errorf("the agent at %s answers: %s", c.where, problem.Detail)
}
