package cell

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"
)

// pipe reads what a command writes: in the background once read was called,
// else at the end.
type pipe struct {
	source source
	file   *os.File      // of the source; nil before read
	done   chan struct{} // closed at the end of the output; nil before read

	mu   sync.Mutex
	sink sink  // guarded by mu
	size int64 // guarded by mu
	full bool  // guarded by mu: more was written than allowed
}

// sink keeps a part of what was written.
type sink interface {
	// space returns the buffer for the next bytes.
	space() []byte
	// took tells the sink that n bytes of the last space were filled. It
	// reports whether the output is larger than allowed.
	took(n int) (full bool)
	bytes() []byte
}

// newPipe returns a pipe, and the end that the command writes to.
func newPipe(s sink) (*pipe, descriptor, error) {
	r, w, err := makePipe()
	if err != nil {
		return nil, w, fmt.Errorf("making a pipe for the command's output: %w", err)
	}
	return &pipe{source: r, sink: s}, w, nil
}

// read starts reading in the background, until the end or finish. While the
// output is too large, onFull is called for each piece.
func (p *pipe) read(onFull func()) {
	if p.done != nil {
		return
	}
	p.file = p.source.file()
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		defer p.file.Close()
		for {
			n, err := p.file.Read(p.space())
			if p.took(n) {
				onFull()
			}
			if err != nil {
				return
			}
		}
	}()
}

// finish reads the rest of what a dead command wrote and closes the pipe. The
// wait is limited, because a process outside of the cell may hold the other
// end.
func (p *pipe) finish() {
	deadline := time.Now().Add(100 * time.Millisecond)
	if p.done != nil {
		p.file.SetReadDeadline(deadline)
		<-p.done
		return
	}
	defer p.source.close()
	for time.Now().Before(deadline) {
		n := p.source.readNow(p.space())
		if p.took(n) || n == 0 {
			return
		}
	}
}

func (p *pipe) space() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sink.space()
}

// took reports whether the output was too large, now or before.
func (p *pipe) took(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size += int64(n)
	p.full = p.sink.took(n) || p.full
	return p.full
}

// isFull reports whether the command wrote more than it may.
func (p *pipe) isFull() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.full
}

// sum returns what the sink has kept, and the number of bytes read.
func (p *pipe) sum() ([]byte, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sink.bytes(), p.size
}

// headKept is how much is kept of an output that was too large.
const headKept = 64 << 10

// head keeps everything up to a limit. Above the limit, it keeps the beginning.
type head struct {
	limit  int // 0: none
	size   int
	chunks [][]byte // all but the last are full
	spill  []byte   // buffer for what is discarded; not nil once the limit was exceeded
}

func (h *head) space() []byte {
	if h.spill != nil {
		return h.spill
	}
	last := len(h.chunks) - 1
	if last < 0 || len(h.chunks[last]) == cap(h.chunks[last]) {
		h.chunks = append(h.chunks, make([]byte, 0, min(4<<10<<min(len(h.chunks), 4), headKept)))
		last++
	}
	chunk := h.chunks[last]
	return chunk[len(chunk):cap(chunk)]
}

func (h *head) took(n int) bool {
	if h.spill != nil {
		return true
	}
	last := len(h.chunks) - 1
	h.chunks[last] = h.chunks[last][:len(h.chunks[last])+n]
	h.size += n
	if h.limit == 0 || h.size <= h.limit {
		return false
	}
	kept := make([]byte, 0, min(headKept, h.limit))
	for _, chunk := range h.chunks {
		kept = append(kept, chunk[:min(len(chunk), cap(kept)-len(kept))]...)
	}
	h.chunks = [][]byte{kept}
	h.spill = make([]byte, 16<<10)
	return true
}

func (h *head) bytes() []byte {
	if len(h.chunks) == 1 {
		return h.chunks[0]
	}
	return bytes.Join(h.chunks, nil)
}

// tail keeps the end.
type tail struct {
	limit int
	buf   []byte // at least twice the limit, filled from the start
	n     int
}

func (t *tail) space() []byte {
	if t.buf == nil {
		t.buf = make([]byte, 2*max(t.limit, 2<<10))
	}
	if len(t.buf)-t.n < len(t.buf)/2 {
		t.n = copy(t.buf, t.bytes())
	}
	return t.buf[t.n:]
}

func (t *tail) took(n int) bool {
	t.n += n
	return false
}

func (t *tail) bytes() []byte { return t.buf[max(0, t.n-t.limit):t.n] }
