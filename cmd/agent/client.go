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
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/stock"
)

// clientPatience is the timeout of a question to the running agent.
const clientPatience = 5 * time.Second

// client sends requests to the running agent.
type client struct {
	http  http.Client
	base  string // URL
	where string // for people
	token string // of api.tokenfile; empty: there is none, or this user may not read it
}

// client returns a client for the agent of the config.
func (c *call) client() (*client, error) {
	cfg, err := c.readKeys("agent.listen", "api.socket", "api.tlscert", "api.tlskey", "api.tokenfile")
	if err != nil {
		return nil, err
	}
	client, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	if token, err := configfile.Content(cfg.API.TokenFile); err == nil {
		client.token = strings.TrimSpace(string(token))
	}
	return client, nil
}

// newClient returns a client for the agent of this config. It uses the agent's
// socket if there is one, else its address.
func newClient(cfg stock.Config) (*client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	c := &client{http: http.Client{Transport: transport}}
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

// reachable returns the address to connect to for a listen address.
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

// onlyCertificate trusts only the certificate in the file, whatever its name:
// it is the agent's own, and the client is on the same host.
func onlyCertificate(cert, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("api.tlscert: %w", err)
	}
	return &tls.Config{
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error {
			if len(chain) == 0 || !bytes.Equal(chain[0], pair.Certificate[0]) {
				return errors.New("the server's certificate is not that of api.tlscert")
			}
			return nil
		},
	}, nil
}

// get returns the agent's JSON answer.
func (c *client) get(path string) (json.RawMessage, error) {
	return c.ask(context.Background(), http.MethodGet, path, clientPatience)
}

// post makes the agent do something that may take until timeout.
func (c *client) post(path string, query url.Values, timeout time.Duration) (json.RawMessage, error) {
	return c.ask(context.Background(), http.MethodPost, path+"?"+query.Encode(), timeout)
}

// plugins returns the answer of /plugins/list, and what it says.
func (c *client) plugins() (answer json.RawMessage, plugins []agent.PluginStatus, err error) {
	answer, err = c.get("/plugins/list")
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(answer, &plugins); err != nil {
		return nil, nil, fmt.Errorf("the server at %s is not an agent: %w", c.where, err)
	}
	return answer, plugins, nil
}

// status returns the answer of /me/status, and what it says.
func (c *client) status(ctx context.Context) (answer json.RawMessage, s agent.Status, err error) {
	answer, err = c.ask(ctx, http.MethodGet, "/me/status", clientPatience)
	if err != nil {
		return nil, s, err
	}
	if err := json.Unmarshal(answer, &s); err != nil {
		return nil, s, fmt.Errorf("the server at %s is not an agent: %w", c.where, err)
	}
	return answer, s, nil
}

// refusal is the agent's answer that it did not do what it was asked to do.
type refusal struct {
	where, detail string
	body          json.RawMessage
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the agent at %s answers: %s", r.where, r.detail)
}

func (c *client) ask(ctx context.Context, method, path string, timeout time.Duration) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := c.send(ctx, method, path)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("the agent at %s has not answered within %v", c.where, timeout)
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := c.body(response)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK && json.Valid(body) {
		return body, nil
	}
	return nil, c.refused(response, body)
}

// send sends a request and returns the agent's answer, whose body the caller
// closes.
func (c *client) send(ctx context.Context, method, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT):
		return nil, fmt.Errorf("no agent answers at %s: start one (agent start), or name its config with -f", c.where)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("this user may not ask the agent at %s: do this as root or as the agent's user", c.where)
	case err != nil:
		return nil, fmt.Errorf("ask the agent at %s: %w", c.where, errors.Unwrap(err))
	}
	return response, nil
}

func (c *client) body(response *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, 256<<20))
	if err != nil {
		return nil, fmt.Errorf("ask the agent at %s: %w", c.where, err)
	}
	return body, nil
}

// refused returns why the agent did not do what it was asked for.
func (c *client) refused(response *http.Response, body []byte) error {
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return fmt.Errorf("the server at %s is not an agent: %s", c.where, response.Status)
	}
	return &refusal{c.where, problem.Detail, body}
}
