// Package registrytest serves a lodastack registry on the loopback address, for
// tests and examples. It answers like the real one, fails on request, and
// records requests and reports.
package registrytest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Item is one item of a namespace, as the registry stores it. The real registry
// stores only strings.
type Item map[string]any

// Server is a registry. It is safe for concurrent use.
type Server struct {
	url  string
	http *http.Server
	stop context.CancelFunc
	done chan struct{}

	mu         sync.Mutex // guards the following fields
	namespaces map[string]namespace
	fault      Fault
	nsFault    Fault
	repFault   Fault
	resFaults  map[string]Fault
	forgotten  map[string]bool
	requests   []string
	hosts      []map[string]any
	reports    []map[string]any
}

type namespace struct {
	id    string
	items []Item
}

// NewServer starts a registry without namespaces on a free port of the loopback
// address. Close stops it.
func NewServer() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		url:        "http://" + l.Addr().String(),
		stop:       stop,
		done:       make(chan struct{}),
		namespaces: make(map[string]namespace),
		resFaults:  make(map[string]Fault),
		forgotten:  make(map[string]bool),
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(s.done)
		// Serve always returns an error. After Close it means nothing.
		_ = s.http.Serve(l)
	}()
	return s, nil
}

// URL returns the registry's address for an agent.
func (s *Server) URL() string { return s.url }

// Close stops the server and all requests that hang in it.
func (s *Server) Close() {
	s.stop()
	_ = s.http.Close()
	<-s.done
}

// SetNamespace assigns a namespace to every host, or replaces its items.
func (s *Server) SetNamespace(name, id string, items ...Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces[name] = namespace{id: id, items: items}
}

// RemoveNamespace removes a namespace.
func (s *Server) RemoveNamespace(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.namespaces, name)
}

// Forget makes the server forget a host, as if it was deleted. The server then
// refuses a report that changes the host, with 500 and "machine not found".
func (s *Server) Forget(hostname string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgotten[hostname] = true
}

// SetFault makes every answer fail. Here and in the other methods, a nil fault
// ends that.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// SetNamespacesFault makes requests for a host's namespaces fail.
func (s *Server) SetNamespacesFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nsFault = f
}

// SetItemsFault makes requests for the items of one namespace fail.
func (s *Server) SetItemsFault(namespace string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resFaults[namespace] = f
}

// SetReportFault makes reports fail.
func (s *Server) SetReportFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repFault = f
}

// Requests returns method and address of all requests so far, including those
// that failed, in the order of their arrival.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Hosts returns the hosts that asked for their namespaces, as decoded JSON.
func (s *Server) Hosts() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hosts)
}

// Reports returns the accepted reports, as decoded JSON.
func (s *Server) Reports() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

// ServeHTTP answers one request. It is exported so that another server, such as
// one with TLS, can wrap it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.Handle("POST /api/v1/agent/ns", s.faulty(func(*http.Request) Fault { return s.nsFault }, s.serveNamespaces))
	mux.Handle("GET /api/v1/agent/resource", s.faulty(func(r *http.Request) Fault { return s.resFaults[r.FormValue("ns")] }, s.serveItems))
	mux.Handle("POST /api/v1/agent/report", s.faulty(func(*http.Request) Fault { return s.repFault }, s.serveReport))

	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		fault(mux).ServeHTTP(w, r)
		return
	}
	mux.ServeHTTP(w, r)
}

// faulty wraps h with the fault that is set when a request comes.
func (s *Server) faulty(choose func(*http.Request) Fault, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		fault := choose(r)
		s.mu.Unlock()
		if fault != nil {
			fault(h).ServeHTTP(w, r)
			return
		}
		h(w, r)
	})
}

func (s *Server) serveNamespaces(w http.ResponseWriter, r *http.Request) {
	var host map[string]any
	if err := json.NewDecoder(r.Body).Decode(&host); err != nil || host["hostname"] == "" || host["hostname"] == nil {
		answer(w, http.StatusBadRequest, nil, "invalid parameter")
		return
	}
	s.mu.Lock()
	s.hosts = append(s.hosts, host)
	ids := make(map[string]string, len(s.namespaces))
	for name, ns := range s.namespaces {
		ids[name] = ns.id
	}
	s.mu.Unlock()
	answer(w, http.StatusOK, ids, "")
}

func (s *Server) serveItems(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("type") != "collect" {
		answer(w, http.StatusBadRequest, nil, "invalid parameter")
		return
	}
	s.mu.Lock()
	ns, ok := s.namespaces[r.FormValue("ns")]
	s.mu.Unlock()
	if !ok {
		answer(w, http.StatusInternalServerError, nil, "node not found")
		return
	}
	items := ns.items
	if items == nil {
		items = []Item{}
	}
	answer(w, http.StatusOK, items, "")
}

func (s *Server) serveReport(w http.ResponseWriter, r *http.Request) {
	var report map[string]any
	if err := json.NewDecoder(r.Body).Decode(&report); err != nil || report["oldhostname"] == "" || report["oldhostname"] == nil {
		answer(w, http.StatusBadRequest, nil, "invalid parameter")
		return
	}
	s.mu.Lock()
	old, _ := report["oldhostname"].(string)
	unknown := report["update"] == true && s.forgotten[old]
	if !unknown {
		s.reports = append(s.reports, report)
	}
	s.mu.Unlock()
	if unknown {
		answer(w, http.StatusInternalServerError, nil, "machine not found")
		return
	}
	answer(w, http.StatusOK, nil, "success")
}

// answer writes an answer in the registry's envelope.
func answer(w http.ResponseWriter, status int, data any, msg string) {
	body, err := json.Marshal(map[string]any{"httpstatus": status, "data": data, "msg": msg})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
