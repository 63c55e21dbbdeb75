//go:build linux

package main

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/registrytest"
)

// registry is a lodastack registry that can go away and come back, and that counts.
type registry struct {
	*registrytest.Server
	address string
	http    *http.Server

	mu       sync.Mutex
	requests map[int64]int // guarded by mu; by second
}

func newRegistry() (*registry, error) {
	server, err := registrytest.NewServer()
	if err != nil {
		return nil, err
	}
	r := &registry{Server: server, address: "127.0.0.1:0"}
	r.count()
	return r, r.open()
}

// open accepts connections, at the same address as before.
func (r *registry) open() error {
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		return err
	}
	r.address = listener.Addr().String()
	r.http = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go r.http.Serve(listener) // until away; its error means only that
	return nil
}

// away refuses connections until open.
func (r *registry) away() { r.http.Close() }

func (r *registry) close() {
	r.away()
	r.Server.Close()
}

// count begins to count anew.
func (r *registry) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = make(map[int64]int)
}

// counted returns the requests since count: all, and those of the busiest second.
func (r *registry) counted() (all, busiest int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.requests {
		all += n
		busiest = max(busiest, n)
	}
	return all, busiest
}

func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.requests[time.Now().Unix()]++
	r.mu.Unlock()
	r.Server.ServeHTTP(w, request)
}
