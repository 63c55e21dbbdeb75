//go:build linux

package main

import (
	"net"
	"net/http"
	"time"

	"github.com/lodastack/agent/internal/registrytest"
)

// registry is a lodastack registry that can go away and come back, and that counts.
type registry struct {
	*registrytest.Server
	requests
	address string
	http    *http.Server
}

func newRegistry() (*registry, error) {
	server, err := registrytest.NewServer()
	if err != nil {
		return nil, err
	}
	r := &registry{Server: server, address: "127.0.0.1:0"}
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

func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.add()
	r.Server.ServeHTTP(w, request)
}
