package nsqoutput

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/nsqio/go-nsq"
)

const (
	// maxFrame is the largest answer that is read. nsqd's longest answer is
	// that to IDENTIFY, some hundred bytes.
	maxFrame = 64 << 10
	// writeBuffer is large enough to send a usual request in one piece.
	writeBuffer = 16 << 10
)

// conn is a connection to an nsqd after IDENTIFY. It uses go-nsq's commands and
// frames. One goroutine uses it at a time. After an error it can only be
// closed.
//
// It does not use go-nsq's Producer, which has no context; see
// docs/decisions/nsqoutput.md.
type conn struct {
	net net.Conn
	r   *bufio.Reader
	w   *bufio.Writer
	// spent means that the connection must not be used again.
	spent bool
	used  time.Time // last
}

// open connects to the nsqd at addr and identifies the agent.
func open(ctx context.Context, addr string, cfg *Config) (*conn, error) {
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, plain(ctx, err)
	}
	c := &conn{net: socket}
	if err := c.introduce(ctx, addr, cfg); err != nil {
		c.close()
		return nil, plain(ctx, err)
	}
	return c, nil
}

func (c *conn) close() { _ = c.net.Close() }

// introduce prepares the connection for the first message.
func (c *conn) introduce(ctx context.Context, addr string, cfg *Config) error {
	defer c.limit(ctx)()
	c.buffer()
	if _, err := c.w.Write(nsq.MagicV2); err != nil {
		return err
	}
	server, err := c.identify(cfg)
	if err != nil {
		return fmt.Errorf("IDENTIFY: %w", err)
	}
	if cfg.TLS != nil {
		if !server.TLSv1 {
			return errors.New("does not offer TLS; start nsqd with --tls-cert and --tls-key, or turn output.tls off")
		}
		if err := c.startTLS(ctx, addr, cfg.TLS); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
	}
	if server.AuthRequired {
		if cfg.AuthSecret == "" {
			return errors.New("asks for a secret; set output.authsecretfile")
		}
		auth, err := nsq.Auth(cfg.AuthSecret)
		if err != nil {
			return err
		}
		if _, err := c.command(auth); err != nil {
			return fmt.Errorf("AUTH: %w", err)
		}
	}
	return nil
}

// identify sends IDENTIFY. It switches heartbeats off: sending a message shows
// whether a server lives, and an idle agent has nothing to do.
func (c *conn) identify(cfg *Config) (nsq.IdentifyResponse, error) {
	var server nsq.IdentifyResponse
	identify, err := nsq.Identify(map[string]any{
		"client_id":           cfg.Hostname,
		"hostname":            cfg.Hostname,
		"user_agent":          cfg.UserAgent,
		"feature_negotiation": true,
		"heartbeat_interval":  -1,
		"tls_v1":              cfg.TLS != nil,
		"deflate":             false,
		"snappy":              false,
	})
	if err != nil {
		return server, err
	}
	answer, err := c.command(identify)
	if err != nil {
		return server, err
	}
	if err := json.Unmarshal(answer, &server); err != nil {
		return server, fmt.Errorf("answer %.40q is not an answer of nsqd", answer)
	}
	return server, nil
}

func (c *conn) startTLS(ctx context.Context, addr string, cfg *tls.Config) error {
	cfg = cfg.Clone()
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		cfg.ServerName = host
	}
	secured := tls.Client(c.net, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		return err
	}
	c.net = secured
	c.buffer()
	return c.wantOK(c.frame())
}

// buffer gives the connection new buffers.
func (c *conn) buffer() {
	c.r = bufio.NewReaderSize(c.net, 1024)
	c.w = bufio.NewWriterSize(c.net, writeBuffer)
}

// publish sends a PUB or MPUB and returns nil once nsqd has acknowledged it. If
// a working server refuses it, the error is a *refusal.
func (c *conn) publish(ctx context.Context, request *nsq.Command) error {
	defer c.limit(ctx)()
	if err := c.wantOK(c.command(request)); err != nil {
		c.spent = true
		var answer nsq.ErrProtocol
		if errors.As(err, &answer) {
			if r := asRefusal(answer.Reason); r != nil {
				return r
			}
		}
		return plain(ctx, err)
	}
	if c.r.Buffered() > 0 {
		// An unexpected answer would be taken for the next one.
		c.spent = true
	}
	return nil
}

func (c *conn) wantOK(answer []byte, err error) error {
	if err == nil && string(answer) != "OK" {
		return fmt.Errorf("unexpected answer %.40q", answer)
	}
	return err
}

// command sends cmd and returns the answer.
func (c *conn) command(cmd *nsq.Command) ([]byte, error) {
	_, err := cmd.WriteTo(c.w)
	if err == nil {
		err = c.w.Flush()
	}
	if err == nil {
		return c.frame()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, err
	}
	// A server that refuses a request may do so before it has read all of it.
	// It sends the reason and closes the connection.
	var answer nsq.ErrProtocol
	if _, reason := c.frame(); errors.As(reason, &answer) {
		return nil, answer
	}
	return nil, err
}

// frame reads one answer. It does not use go-nsq's ReadResponse, which trusts
// the server's size.
func (c *conn) frame() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c.r, size[:]); err != nil {
		return nil, err
	}
	if string(size[:]) == "HTTP" {
		return nil, errors.New("answers in HTTP; name nsqd's TCP port, 4150 by default")
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxFrame {
		return nil, fmt.Errorf("answers with %q, as no nsqd does; name nsqd's TCP port, 4150 by default", size)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(c.r, frame); err != nil {
		return nil, err
	}
	kind, data, err := nsq.UnpackResponse(frame)
	if err != nil {
		return nil, err
	}
	switch kind {
	case nsq.FrameTypeResponse:
		return data, nil
	case nsq.FrameTypeError:
		return nil, nsq.ErrProtocol{Reason: string(data)}
	}
	return nil, fmt.Errorf("unexpected frame of type %d", kind)
}

// limit makes reading and writing fail when ctx ends. The returned function
// undoes that.
func (c *conn) limit(ctx context.Context) (release func()) {
	socket := c.net
	deadline, _ := ctx.Deadline()
	_ = socket.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if !stop() {
			c.spent = true
		}
	}
}

// errNoAnswer means that a server hangs or cannot be reached.
var errNoAnswer = errors.New("no answer in time")

// plain returns a network error without the addresses, which the caller adds.
func plain(ctx context.Context, err error) error {
	var op *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return errNoAnswer
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("closed the connection without an answer: %w", err)
	case errors.As(err, &op):
		return op.Err
	}
	return err
}
