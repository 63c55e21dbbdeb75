package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/budget"
)

// pipe reads what a command writes, in the background once read was called, else at the
// end of the run.
type pipe struct {
	source source
	stream func(io.Reader) error // reads in place of the sink; nil: there is none
	file   *os.File              // of the source; nil before read
	done   chan struct{}         // closed at the end of the output; nil before read

	mu   sync.Mutex
	sink sink  // guarded by mu
	size int64 // guarded by mu
	full error // guarded by mu: the sink has taken too much
}

// sink keeps a part of what was written.
type sink interface {
	// space returns the buffer for the next bytes.
	space() []byte
	// took is told that n bytes of the last space were filled. It returns an error if
	// the output is too large.
	took(n int) error
	bytes() []byte
	// release gives back the memory that was taken from a budget.
	release()
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
		if p.stream != nil {
			p.streamed(onFull)
			return
		}
		for {
			n, err := p.file.Read(p.space())
			if p.took(n) != nil {
				onFull()
			}
			if err != nil {
				return
			}
		}
	}()
}

// streamed lets the stream read, and calls onFull if that fails.
func (p *pipe) streamed(onFull func()) {
	err := p.stream(p.file)
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	p.mu.Lock()
	p.full = err
	p.mu.Unlock()
	onFull()
}

// finish reads the rest of what a dead command wrote and closes the pipe. The
// wait is limited, because a process outside of the sandbox may hold the other
// end.
func (p *pipe) finish() {
	wait := 100 * time.Millisecond
	if p.stream != nil {
		wait = streamGrace
	}
	deadline := time.Now().Add(wait)
	if p.done != nil {
		p.file.SetReadDeadline(deadline)
		<-p.done
		return
	}
	defer p.source.close()
	for time.Now().Before(deadline) {
		n := p.source.readNow(p.space())
		if p.took(n) != nil || n == 0 {
			return
		}
	}
}

func (p *pipe) space() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sink.space()
}

// took returns an error if the output is too large, now or before.
func (p *pipe) took(n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size += int64(n)
	p.full = cmp.Or(p.full, p.sink.took(n))
	return p.full
}

// excess returns an error if the command wrote too much.
func (p *pipe) excess() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.full
}

// kept returns what the sink has kept, and the size of the whole output. The caller
// owns the bytes from now on.
func (p *pipe) kept() ([]byte, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.sink.release()
	return p.sink.bytes(), p.size
}

// streamGrace is how long a stream may take to read the last output of a command. What
// it has not read by then is lost.
const streamGrace = 5 * time.Second

const (
	// headKept is how much is kept of an output that was too large.
	headKept = 64 << 10
	// smallHead is how much of an output does not count against the budget, and the
	// size of the pieces of a larger one.
	smallHead = 64 << 10
)

// head keeps everything up to a limit. Beyond it, or where no memory is left, it
// keeps the beginning.
type head struct {
	limit  int            // 0: none
	budget *budget.Budget // of what all outputs take beyond smallHead each; nil: no limit
	taken  int            // from the budget
	full   [][]byte       // pieces of smallHead bytes
	buf    []byte         // the piece that is being filled
	spill  []byte         // takes further bytes once the output is too large
	err    error          // why it is too large
}

func (h *head) space() []byte {
	if h.spill == nil && len(h.buf) == cap(h.buf) && !h.grow() {
		h.spill = make([]byte, 16<<10)
	}
	if h.spill != nil {
		return h.spill
	}
	return h.buf[len(h.buf):cap(h.buf)]
}

// grow makes room in buf. A small buf is doubled; a large output is kept in
// pieces, so that it is not copied while it comes.
func (h *head) grow() bool {
	kept := len(h.full)*smallHead + len(h.buf)
	size := min(max(4<<10, 2*len(h.buf)), smallHead)
	if h.limit > 0 {
		size = min(size, len(h.buf)+h.limit-kept)
	}
	switch {
	case h.limit > 0 && kept == h.limit:
		h.err = ErrStdout
		return false
	case len(h.buf) < smallHead:
		buf := make([]byte, len(h.buf), size)
		copy(buf, h.buf)
		h.buf = buf
		return true
	case h.budget != nil && !h.budget.TryTake(smallHead):
		h.err = ErrMemory
		return false
	}
	h.taken += smallHead
	h.full, h.buf = append(h.full, h.buf), make([]byte, 0, smallHead)
	if h.limit > 0 {
		h.buf = h.buf[:0:min(smallHead, h.limit-kept)]
	}
	return true
}

func (h *head) took(n int) error {
	if h.spill == nil {
		h.buf = h.buf[:len(h.buf)+n]
		return nil
	}
	if n == 0 {
		return nil
	}
	if len(h.full) > 0 {
		h.full, h.buf = nil, h.full[0][:headKept:headKept]
	}
	return h.err
}

func (h *head) bytes() []byte {
	if len(h.full) == 0 {
		return h.buf
	}
	return slices.Concat(append(h.full, h.buf)...)
}

// release gives back what was taken from the budget.
func (h *head) release() {
	if h.taken > 0 && h.budget != nil {
		h.budget.Give(int64(h.taken))
		h.taken = 0
	}
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

func (t *tail) took(n int) error {
	t.n += n
	return nil
}

func (t *tail) release() {}

func (t *tail) bytes() []byte { return t.buf[max(0, t.n-t.limit):t.n] }
