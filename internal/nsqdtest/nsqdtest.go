// Package nsqdtest runs a real nsqd in the process of a test or an example, and
// shows what was published to it.
//
//	server := nsqdtest.Start(t, nsqdtest.Options{})
//	// … write to server.Addr() …
//	lines := server.Lines(t, "collect.ns", 100)
package nsqdtest

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"
	"github.com/stretchr/testify/require"
)

// Options of a Server. The zero value is an nsqd with its own defaults on a
// free port.
type Options struct {
	// Addr is the address to listen on. Empty: a free loopback port.
	Addr string
	// Dir is the directory for messages. Empty: a temporary directory that
	// Close removes.
	Dir string
	// TLS makes the server require TLS. Its certificate is for the loopback
	// address, and [Server.ClientTLS] trusts it.
	TLS bool
	// Secret, if not empty, is what clients must authenticate with.
	Secret string
	// MaxMessageSize in bytes. Zero: nsqd's default, 1 MiB.
	MaxMessageSize int64
	// MaxBodySize of a request of several messages, in bytes. Zero: nsqd's
	// default, 5 MiB.
	MaxBodySize int64
}

// Server is an nsqd that can be stopped and restarted at the same address and
// with the same directory. Its methods must not be called concurrently with
// Stop, Restart and Close.
type Server struct {
	opts    Options
	dir     string
	tempDir bool
	auth    *httptest.Server
	cert    *certificate

	nsqd  *nsqd.NSQD // nil while stopped
	main  chan error
	front *front

	mu        sync.Mutex           // guards consumers
	consumers map[string]*Consumer // of Messages and Lines, by topic
}

// Start runs a Server until the test ends.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	s, err := New(opts)
	require.NoError(tb, err)
	tb.Cleanup(s.Close)
	return s
}

// New runs a Server until Close.
func New(opts Options) (*Server, error) {
	s := &Server{opts: opts, dir: opts.Dir, consumers: map[string]*Consumer{}}
	if s.opts.Addr == "" {
		s.opts.Addr = "127.0.0.1:0"
	}
	if err := s.prepare(); err != nil {
		s.Close()
		return nil, fmt.Errorf("prepare nsqd: %w", err)
	}
	if err := s.Restart(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// prepare makes what stays over restarts.
func (s *Server) prepare() error {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "nsqd")
		if err != nil {
			return err
		}
		s.dir, s.tempDir = dir, true
	}
	if s.opts.TLS {
		cert, err := newCertificate(s.dir)
		if err != nil {
			return err
		}
		s.cert = cert
	}
	if s.opts.Secret != "" {
		s.auth = newAuthServer(s.opts.Secret)
	}
	return nil
}

// Addr returns the TCP address, even while the server is stopped.
func (s *Server) Addr() string { return s.opts.Addr }

// ClientTLS is the config of a client that trusts the server. It is nil without
// [Options.TLS].
func (s *Server) ClientTLS() *tls.Config {
	if s.cert == nil {
		return nil
	}
	return s.cert.client()
}

// Direct returns the TCP address of nsqd itself, for benchmarks. The proxy at
// Addr costs some microseconds a message.
func (s *Server) Direct() string { return s.nsqd.RealTCPAddr().String() }

// Restart stops the server, if it runs, and starts it again with its messages.
func (s *Server) Restart() error {
	s.Stop()
	daemon, err := nsqd.New(s.daemonOptions())
	if err != nil {
		return fmt.Errorf("start nsqd: %w", err)
	}
	if err := daemon.LoadMetadata(); err != nil {
		return fmt.Errorf("start nsqd: %w", err)
	}
	s.nsqd = daemon
	s.main = make(chan error, 1)
	go func() { s.main <- daemon.Main() }()
	if err := awaitAnswer(s.Direct()); err != nil {
		return err
	}
	s.front, err = newFront(s.opts.Addr, s.Direct())
	if err != nil {
		return fmt.Errorf("start nsqd: %w", err)
	}
	s.opts.Addr = s.front.listener.Addr().String()
	return nil
}

func (s *Server) daemonOptions() *nsqd.Options {
	o := nsqd.NewOptions()
	o.Logger = quiet{}
	o.LogLevel = nsqd.LOG_FATAL
	o.TCPAddress = "127.0.0.1:0"
	o.HTTPAddress = ""
	o.HTTPSAddress = ""
	o.DataPath = s.dir
	if s.opts.MaxMessageSize > 0 {
		o.MaxMsgSize = s.opts.MaxMessageSize
	}
	if s.opts.MaxBodySize > 0 {
		o.MaxBodySize = s.opts.MaxBodySize
	}
	if s.cert != nil {
		o.TLSCert, o.TLSKey = s.cert.certFile, s.cert.keyFile
		o.TLSRequired = nsqd.TLSRequired
		o.TLSMinVersion = tls.VersionTLS12
	}
	if s.auth != nil {
		o.AuthHTTPAddresses = []string{s.auth.Listener.Addr().String()}
	}
	return o
}

// awaitAnswer waits until the nsqd at addr answers. Before that it cannot be
// stopped cleanly.
func awaitAnswer(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return fmt.Errorf("reach nsqd: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("none")); err != nil {
		return fmt.Errorf("reach nsqd: %w", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("no answer of nsqd: %w", err)
	}
	return nil
}

// Stop stops the server as SIGTERM does: it disconnects clients, and writes
// messages that were not consumed to its directory.
func (s *Server) Stop() {
	if s.front != nil {
		s.front.close()
		s.front = nil
	}
	if s.nsqd != nil {
		s.nsqd.Exit()
		<-s.main
		s.nsqd = nil
	}
}

// Freeze makes the server behave as after SIGSTOP: it accepts and keeps
// connections but does not answer. It lasts until Thaw, Stop or Restart.
func (s *Server) Freeze() { s.front.freeze(true) }

// Thaw ends Freeze. The server then processes what was sent meanwhile.
func (s *Server) Thaw() { s.front.freeze(false) }

// Close stops the server and removes its files. It may be called more than
// once.
func (s *Server) Close() {
	s.mu.Lock()
	consumers := s.consumers
	s.consumers = map[string]*Consumer{}
	s.mu.Unlock()
	for _, c := range consumers {
		c.Close()
	}
	s.Stop()
	if s.auth != nil {
		s.auth.Close()
		s.auth = nil
	}
	if s.tempDir {
		_ = os.RemoveAll(s.dir)
	}
}

// Published returns how many messages the topic has received since the last
// start.
func (s *Server) Published(topic string) uint64 {
	for _, t := range s.nsqd.GetStats(topic, "", false).Topics {
		return t.MessageCount
	}
	return 0
}

// Discard makes the server keep few messages of the topic, for benchmarks. It
// lasts until the next stop.
func (s *Server) Discard(topic string) {
	s.nsqd.GetTopic(topic).GetChannel("discarded#ephemeral")
}

// quiet is a logger that drops everything.
type quiet struct{}

func (quiet) Output(int, string) error { return nil }
