package nsqoutput_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// peer is a scripted server's side of a connection. Its methods return false
// when the connection has ended.
type peer struct {
	net.Conn
	r *bufio.Reader
}

// serveScript runs a server that does on each connection what script says,
// and returns its address.
func serveScript(t *testing.T, script func(p peer)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var (
		done  sync.WaitGroup
		mu    sync.Mutex // owns conns
		conns []net.Conn
	)
	done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			done.Go(func() {
				defer conn.Close()
				script(peer{conn, bufio.NewReader(conn)})
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		done.Wait()
	})
	return listener.Addr().String()
}

// hang reads, and answers nothing, until the other side hangs up.
func (p peer) hang() { _, _ = io.Copy(io.Discard, p.r) }

// identify does what nsqd does before the first message.
func (p peer) identify() bool {
	if _, err := io.ReadFull(p.r, make([]byte, 4)); err != nil {
		return false
	}
	if _, ok := p.request(); !ok {
		return false
	}
	return p.answer(0, `{"max_rdy_count":2500,"tls_v1":false,"auth_required":false}`)
}

// request reads a command with a body, and returns its first line.
func (p peer) request() (line string, ok bool) {
	line, _, ok = p.sized()
	return line, ok
}

// sized reads a command with a body, and returns its first line and the size of
// its body.
func (p peer) sized() (line string, size int, ok bool) {
	line, err := p.r.ReadString('\n')
	if err != nil {
		return "", 0, false
	}
	var number [4]byte
	if _, err := io.ReadFull(p.r, number[:]); err != nil {
		return "", 0, false
	}
	size = int(binary.BigEndian.Uint32(number[:]))
	_, err = io.CopyN(io.Discard, p.r, int64(size))
	return strings.TrimSpace(line), size, err == nil
}

// answer sends a frame: of type 0, an answer; of type 1, an error.
func (p peer) answer(kind uint32, data string) bool {
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(data)))
	frame = binary.BigEndian.AppendUint32(frame, kind)
	_, err := p.Write(append(frame, data...))
	return err == nil
}

// refusing answers every message with an error, as nsqd does: it hangs up
// afterwards.
func refusing(answer string) func(p peer) {
	return func(p peer) {
		if !p.identify() {
			return
		}
		if _, ok := p.request(); ok && p.answer(1, answer) {
			p.hang()
		}
	}
}

func silent(p peer) { p.hang() }

func hangingAfterIdentify(p peer) {
	if p.identify() {
		p.hang()
	}
}

func closingMidPublish(p peer) {
	if p.identify() {
		_, _ = p.r.Peek(8)
	}
}

func speakingHTTP(p peer) {
	_, _ = io.WriteString(p, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")
	p.hang()
}

func speakingRubbish(p peer) {
	_, _ = io.WriteString(p, "\xff\xff\xff\xff rubbish")
	p.hang()
}

// deadAddress returns an address where nobody listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
