// Package httpregistry asks a lodastack registry over HTTP for a host's
// assignments, and reports the host to it.
package httpregistry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lodastack"
)

// Limits of the requests to a registry.
const (
	defaultTimeout = 10 * time.Second
	maxParallel    = 4
)

// Config of a [Registry]. Only URL is required. stock.RegistryConfig describes
// the fields in full.
type Config struct {
	// URL is the registry's address, http or https. Paths such as
	// /api/v1/agent/ns are appended to it.
	URL string
	// Timeout of one request with its answer. Zero: 10 s.
	Timeout time.Duration
	// AgentType is the agenttype in reports. Empty: loda-agent.
	AgentType string
	// RootCAs may sign the registry's certificate. Nil: the system's CAs at the
	// time when the process first needed them. HTTPClient has its own.
	RootCAs *x509.CertPool
	// HTTPClient makes the requests. Its CheckRedirect is replaced. Nil: a
	// client that keeps no connection from one update to the next.
	HTTPClient *http.Client
	// Logger for requests, and for parts of answers that are ignored. Nil: no
	// logging.
	Logger *slog.Logger
}

// Registry is a lodastack registry. It is safe for concurrent use.
type Registry struct {
	base      *url.URL
	timeout   time.Duration
	agentType string
	client    *http.Client
	// ownClient means that nobody else uses the client's idle connections.
	ownClient bool
	logger    *slog.Logger
}

var (
	_ agent.Registry = (*Registry)(nil)
	_ agent.Reporter = (*Registry)(nil)
)

// New returns the registry of cfg. It sends no request.
func New(cfg Config) (*Registry, error) {
	base, err := parseBase(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("registry %s: the timeout %s is negative", base.Redacted(), cfg.Timeout)
	}
	r := &Registry{
		base:      base,
		timeout:   cfg.Timeout,
		agentType: cfg.AgentType,
		client:    &http.Client{},
		ownClient: cfg.HTTPClient == nil,
		logger:    cfg.Logger,
	}
	if r.timeout == 0 {
		r.timeout = defaultTimeout
	}
	if r.agentType == "" {
		r.agentType = "loda-agent"
	}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	if cfg.HTTPClient != nil {
		*r.client = *cfg.HTTPClient
	} else {
		r.client.Transport = newTransport(cfg.RootCAs)
	}
	r.client.CheckRedirect = checkRedirect
	return r, nil
}

// String returns the registry's address without user and password.
func (r *Registry) String() string {
	address := *r.base
	address.User = nil
	return address.String()
}

// parseBase checks the address of a registry.
func parseBase(address string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		// The error would contain the address, and so a password in it.
		return nil, fmt.Errorf("the registry's address is not a URL; write something like https://registry.example.com")
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" {
		return nil, fmt.Errorf("the registry's address %q does not begin with http:// or https:// and a host", base.Redacted())
	}
	if base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the registry's address %q has a '?' or a '#'; write only scheme, host and path", base.Redacted())
	}
	return base, nil
}

// Cleartext reports whether the registry at address is asked over a network
// without encryption. It returns false for an address that [New] refuses.
func Cleartext(address string) bool {
	base, err := parseBase(address)
	if err != nil || base.Scheme != "http" || base.Hostname() == "localhost" {
		return false
	}
	ip := net.ParseIP(base.Hostname())
	return ip == nil || !ip.IsLoopback()
}

// newTransport returns a transport that opens no more connections than one
// update needs.
func newTransport(roots *x509.CertPool) *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		t = d.Clone()
	}
	if roots != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	t.MaxConnsPerHost = maxParallel
	t.MaxIdleConnsPerHost = maxParallel
	return t
}

// Assignments asks for the host's namespaces and then, a few at a time, for the
// items of each. The [agent.PartialError] contains each namespace with a bad
// answer. After any other error there is no list of namespaces.
func (r *Registry) Assignments(ctx context.Context, host agent.Host) ([]agent.Assignment, error) {
	defer r.closeIdle()
	ids, err := r.namespaces(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("the namespaces of %s: %w", host.Hostname, err)
	}
	names := slices.Sorted(maps.Keys(ids))
	found := make([]agent.Assignment, len(names))
	failed := make([]error, len(names))
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for i, name := range names {
		slots <- struct{}{}
		wg.Go(func() {
			found[i], failed[i] = r.items(ctx, name, ids[name])
			<-slots
		})
	}
	wg.Wait()

	var good []agent.Assignment
	partial := &agent.PartialError{Namespaces: make(map[string]error)}
	for i, name := range names {
		if failed[i] != nil {
			partial.Namespaces[name] = failed[i]
			continue
		}
		good = append(good, found[i])
	}
	if len(partial.Namespaces) > 0 {
		return good, partial
	}
	return good, nil
}

// namespaces returns the registry's id for each namespace of host.
func (r *Registry) namespaces(ctx context.Context, host agent.Host) (map[string]string, error) {
	question := struct {
		Hostname string `json:"hostname"`
		IP       string `json:"ip"`
		Serial   string `json:"sn"`
	}{host.Hostname, strings.Join(host.Addresses, ","), host.Serial}
	data, err := r.call(ctx, http.MethodPost, "api/v1/agent/ns", nil, question)
	if err != nil {
		return nil, err
	}
	var raw map[string]any
	if err := json.Unmarshal(data, &raw); err != nil || raw == nil {
		return nil, fmt.Errorf("the answer's data is not an object of namespaces and ids: %s", beginning(data))
	}
	ids := make(map[string]string, len(raw))
	for name, id := range raw {
		if name == "" {
			r.logger.Warn("the registry's answer has a namespace without a name: ignored")
			continue
		}
		text, ok := id.(string)
		if !ok {
			r.logger.Warn("the registry's answer has a resource id that is not a string: ignored", "namespace", name)
		}
		ids[name] = text
	}
	return ids, nil
}

// items returns the assignment of one namespace.
func (r *Registry) items(ctx context.Context, name, id string) (agent.Assignment, error) {
	query := url.Values{"ns": {name}, "type": {"collect"}}
	data, err := r.call(ctx, http.MethodGet, "api/v1/agent/resource", query, nil)
	if err != nil {
		return agent.Assignment{}, err
	}
	a, err := lodastack.ParseItems(name, id, data)
	if err != nil {
		return agent.Assignment{}, fmt.Errorf("%w; it begins with %s", err, beginning(data))
	}
	return a, nil
}

// closeIdle closes the idle connections, because the next update is minutes
// away.
func (r *Registry) closeIdle() {
	if r.ownClient {
		r.client.CloseIdleConnections()
	}
}
