package cell

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"
)

// pipe takes what a command writes.
type pipe struct {
	file *os.File
	full chan struct{} // closed when the sink has taken too much
	done chan struct{} // closed when nothing more will come

	mu   sync.Mutex
	sink sink  // guarded by mu
	size int64 // guarded by mu
}

// sink keeps a part of what was written.
type sink interface {
	// space returns where to read the next bytes to.
	space() []byte
	// took says that n bytes of the last space were filled. It reports
	// whether that was more than there may be.
	took(n int) (full bool)
	bytes() []byte
}

// newPipe returns a pipe and the command's end of it.
func newPipe(s sink) (*pipe, *os.File, error) {
	r, w, err := makePipe()
	if err != nil {
		return nil, nil, fmt.Errorf("making a pipe for the output: %w", err)
	}
	return &pipe{file: r, sink: s, full: make(chan struct{}), done: make(chan struct{})}, w, nil
}

// read starts reading, until the end or drain.
func (p *pipe) read() {
	go func() {
		defer close(p.done)
		defer p.file.Close()
		for {
			p.mu.Lock()
			space := p.sink.space()
			p.mu.Unlock()
			n, err := p.file.Read(space)
			p.mu.Lock()
			p.size += int64(n)
			if p.sink.took(n) && !isClosed(p.full) {
				close(p.full)
			}
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}

// drain waits for the rest of what a dead command wrote. A process outside of
// the cell may have been given the other end, so there is a limit.
func (p *pipe) drain() {
	select {
	case <-p.done:
	case <-time.After(100 * time.Millisecond):
		p.file.SetReadDeadline(time.Now())
		<-p.done
	}
}

// sum returns what the sink has kept and how much there was.
func (p *pipe) sum() ([]byte, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sink.bytes(), p.size
}

// close is for a pipe that is not read.
func (p *pipe) close() { p.file.Close() }

// headKept is what remains of an output that was too much.
const headKept = 64 << 10

// head keeps everything up to a limit. Beyond it, it keeps the beginning.
type head struct {
	limit  int // 0: none
	size   int
	chunks [][]byte // all but the last are full
	spill  []byte   // where the rest goes; not nil once there was too much
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
	buf   []byte // twice the limit and more, filled from the start
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
