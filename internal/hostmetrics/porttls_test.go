//go:build unix

package hostmetrics_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/lodastack/agent"
	"github.com/stretchr/testify/require"
)

// selfSigned returns a certificate that ends in so many days.
func selfSigned(t *testing.T, days float64) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	end := time.Now().Add(time.Duration(days * float64(24*time.Hour)))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve accepts connections until the test ends, and gives each to handle.
func serve(t *testing.T, handle func(net.Conn)) (port int) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

func serveTLS(t *testing.T, c *tls.Config) (port int) {
	return serve(t, func(conn net.Conn) { tls.Server(conn, c).Handshake() })
}

func TestACertificateHasDaysUntilItsEnd(t *testing.T) {
	long, gone, other := selfSigned(t, 90), selfSigned(t, -3.5), selfSigned(t, 10)
	byName := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "www.example.com" {
			return &other, nil
		}
		return &long, nil
	}
	named := serveTLS(t, &tls.Config{GetCertificate: byName})
	for name, c := range map[string]struct {
		port agent.Port
		days float64
	}{
		"self-signed":             {agent.Port{Port: serveTLS(t, &tls.Config{Certificates: []tls.Certificate{long}})}, 90},
		"expired":                 {agent.Port{Port: serveTLS(t, &tls.Config{Certificates: []tls.Certificate{gone}})}, -3.5},
		"without a name":          {agent.Port{Port: named}, 90},
		"with a name":             {agent.Port{Port: named, TLSName: "www.example.com"}, 10},
		"TLS 1.0":                 {agent.Port{Port: serveTLS(t, &tls.Config{Certificates: []tls.Certificate{long}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10})}, 90},
		"asks for a certificate":  {agent.Port{Port: serveTLS(t, &tls.Config{Certificates: []tls.Certificate{long}, ClientAuth: tls.RequireAnyClientCert})}, 90},
		"asks for one in TLS 1.2": {agent.Port{Port: serveTLS(t, &tls.Config{Certificates: []tls.Certificate{long}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12})}, 90},
	} {
		t.Run(name, func(t *testing.T) {
			c.port.Name, c.port.TLS = "PORT.x", true
			values, err := collectPorts(t.Context(), t, agent.Assignment{Namespace: "web", Ports: []agent.Port{c.port}})
			require.NoError(t, err)
			require.Equal(t, 1.0, values["web"]["PORT.x"])
			require.InDelta(t, c.days, values["web"]["PORT.x.tls.days"], 0.01)
		})
	}
}

func TestWithoutACertificateThePortIsMeasuredNevertheless(t *testing.T) {
	plain := serve(t, func(conn net.Conn) { conn.Write([]byte("220 mail ESMTP\r\n")) })
	silent := serve(t, func(conn net.Conn) { conn.Read(make([]byte, 4096)); conn.Read(make([]byte, 1)) })
	for name, c := range map[string]struct {
		port   int
		reason string
	}{
		"speaks no TLS": {plain, "reading the certificate of PORT.x: tls: first record does not look like a TLS handshake"},
		"says nothing":  {silent, "reading the certificate of PORT.x: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := collectPorts(t.Context(), t, agent.Assignment{Namespace: "web", Ports: []agent.Port{
				{Name: "PORT.x", Port: c.port, TLS: true, Timeout: 200 * time.Millisecond},
			}})
			require.EqualError(t, err, c.reason)
			require.Equal(t, map[string]any{"PORT.x": 1.0}, values["web"])
		})
	}
	values, err := collectPorts(t.Context(), t, agent.Assignment{Namespace: "web", Ports: []agent.Port{{Name: "PORT.x", Port: closedPort(t), TLS: true}}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"PORT.x": 0.0}, values["web"])
}

func TestManyCertificatesAreRead(t *testing.T) {
	var ports []agent.Port
	for range 30 {
		port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{selfSigned(t, 30)}})
		ports = append(ports, agent.Port{Name: "PORT." + time.Duration(port).String(), Port: port, TLS: true})
	}
	values, err := collectPorts(t.Context(), t, agent.Assignment{Namespace: "web", Ports: ports})
	require.NoError(t, err)
	require.Len(t, values["web"], 60)
}
