package agent

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// memoryBodies times the largest body is what all posts may take together.
	memoryBodies = 5
	// leastMemory is what they may take in any case, in bytes.
	leastMemory = 1 << 20
	// pointMemory is about what a decoded metric takes beside its text.
	pointMemory = 384
	// chunkBytes is how much of a body is read at a time.
	chunkBytes = 16 << 10
	// bodyTimeout bounds how long a body may take to arrive.
	bodyTimeout = 30 * time.Second
)

// readBody returns the request's body, with gzip undone. What it takes in
// memory is taken from share.
func (api *httpAPI) readBody(w http.ResponseWriter, r *http.Request, share *memoryShare) (string, error) {
	tooLarge := problem(http.StatusRequestEntityTooLarge,
		"The body is larger than %d bytes: send it in parts, or raise api.maxbody.", api.config.maxBody)
	if r.ContentLength > api.config.maxBody {
		return "", tooLarge
	}
	// Where the server cannot, its own limit holds.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	var body io.Reader = http.MaxBytesReader(w, r.Body, api.config.maxBody)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return "", readProblem(err, tooLarge)
		}
		defer func() { _ = unzipped.Close() }() // the reader owns nothing
		body = unzipped
	default:
		w.Header().Set("Accept-Encoding", "gzip")
		return "", problem(http.StatusUnsupportedMediaType, "The Content-Encoding %.40q is not known: send gzip or none.", encoding)
	}
	var text strings.Builder
	if r.ContentLength > 0 { // what was only announced takes little
		text.Grow(int(min(r.ContentLength, chunkBytes)))
	}
	if err := api.readAll(&text, body, share); err != nil {
		return "", readProblem(err, tooLarge)
	}
	return text.String(), nil
}

// errTooLarge is the error of a body that unzips to too much.
var errTooLarge = errors.New("too large")

// readAll reads all of body into text, unless that is more than a body may have
// or than share can take.
func (api *httpAPI) readAll(text *strings.Builder, body io.Reader, share *memoryShare) error {
	chunk := api.chunks.Get().(*[chunkBytes]byte)
	defer api.chunks.Put(chunk)
	for {
		n, err := body.Read(chunk[:])
		if int64(text.Len()+n) > api.config.maxBody {
			return errTooLarge
		}
		if err := share.take(int64(n)); err != nil {
			return err
		}
		text.Write(chunk[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readProblem returns what to answer where the body could not be read.
func readProblem(err error, tooLarge *problemError) error {
	var tooMany *http.MaxBytesError
	switch {
	case errors.As(err, &tooMany), errors.Is(err, errTooLarge):
		return tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem(http.StatusRequestTimeout, "The body did not arrive within %s.", bodyTimeout)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return problem(http.StatusBadRequest, "The body is not what its Content-Encoding says: %v.", err)
	}
	if p := problemOf(err); p != nil {
		return p
	}
	return problem(http.StatusBadRequest, "The body did not arrive whole: %v.", err)
}

// byteBudget bounds the memory that all posts take together, so that a burst
// of large ones is answered with 503 and not with the end of the process.
type byteBudget struct {
	total int64

	mu   sync.Mutex
	left int64 // guarded by mu
}

func newByteBudget(total int64) *byteBudget { return &byteBudget{total: total, left: total} }

// share returns the share of one request, which has nothing yet.
func (b *byteBudget) share() *memoryShare { return &memoryShare{budget: b} }

// memoryShare is what one request has taken of a byteBudget.
type memoryShare struct {
	budget *byteBudget
	taken  int64
}

// take takes n bytes more.
func (s *memoryShare) take(n int64) error {
	if s.taken+n > s.budget.total {
		return problem(http.StatusRequestEntityTooLarge, "The body's metrics take more than %d bytes of memory: send them in parts.", s.budget.total)
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	if n > s.budget.left {
		return problem(http.StatusServiceUnavailable, "Too many posts are under way: send this one again later.").retryAfter(1)
	}
	s.budget.left -= n
	s.taken += n
	return nil
}

// free gives back all that was taken.
func (s *memoryShare) free() {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.budget.left += s.taken
	s.taken = 0
}
