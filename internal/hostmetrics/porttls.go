package hostmetrics

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/lodastack/agent"
)

// parallelHandshakes limits how many certificates are read at a time: each takes some
// 100 KiB of memory and a millisecond of processor time.
const parallelHandshakes = 32

// handshake is one reading of a certificate. Equal items share it.
type handshake struct {
	attempt
	name string // of the server, for SNI
	tls  bool   // false: none
}

func handshakeOf(p agent.Port) handshake { return handshake{attemptOf(p), p.TLSName, p.TLS} }

// certificate is what was read, or the error that prevented it.
type certificate struct {
	days float64 // until its end, negative after it
	err  error
}

// readCertificates reads the certificates of the ports that accept connections.
func readCertificates(ctx context.Context, assignments []agent.Assignment, outcomes map[attempt]outcome) map[handshake]certificate {
	var wanted []handshake
	read := make(map[handshake]certificate)
	for _, a := range assignments {
		for _, port := range a.Ports {
			h := handshakeOf(port)
			if _, known := read[h]; !known && h.tls && outcomes[h.attempt].value == 1 {
				wanted, read[h] = append(wanted, h), certificate{}
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	var (
		mu      sync.Mutex // guards read
		running sync.WaitGroup
		slots   = make(chan struct{}, parallelHandshakes)
	)
	for _, h := range wanted {
		slots <- struct{}{}
		running.Go(func() {
			end, err := endOfCertificate(ctx, h)
			mu.Lock()
			read[h] = certificate{days: time.Until(end).Hours() / 24, err: err}
			mu.Unlock()
			<-slots
		})
	}
	running.Wait()
	return read
}

// endOfCertificate returns when a server's certificate ends. It does not verify it, because
// the end of a self-signed or foreign certificate counts as well, and sends the server
// nothing but a handshake.
func endOfCertificate(ctx context.Context, h handshake) (end time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", h.at.String())
	if err != nil {
		return end, err
	}
	defer conn.Close()
	seen := false
	client := tls.Client(conn, &tls.Config{
		ServerName: h.name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10,
		VerifyConnection: func(state tls.ConnectionState) error {
			end, seen = state.PeerCertificates[0].NotAfter, true
			return nil
		},
	})
	// A server that asks for a certificate of the client may refuse the handshake when it has
	// shown its own.
	if err := client.HandshakeContext(ctx); err != nil && !seen {
		return end, err
	}
	client.Close() // says goodbye, so that the server logs no error
	return end, nil
}
