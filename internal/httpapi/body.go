package httpapi

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
	// memoryBodies times the largest body is the memory that all posts may take together.
	memoryBodies = 6
	// leastMemory is how much they may take in any case, in bytes.
	leastMemory = 1 << 20
	// largeBody is the size in bytes beyond which only one body is read at a time. If
	// several grew together until the memory is full, none would be accepted.
	largeBody = 1 << 20
	// chunkBytes is how much of a body is read at a time.
	chunkBytes = 16 << 10
	// bodyTimeout bounds how long a body may take to arrive.
	bodyTimeout = 30 * time.Second
)

// readBody returns the request's body, decompressed. It takes the memory for it from
// share.
func (a *api) readBody(w http.ResponseWriter, r *http.Request, share *memoryShare) (string, error) {
	tooLarge := problem(http.StatusRequestEntityTooLarge,
		"The body is larger than %d bytes: send it in parts, or raise api.maxbody.", a.config().MaxBody)
	if r.ContentLength > a.config().MaxBody {
		return "", tooLarge
	}
	var body io.Reader = http.MaxBytesReader(w, r.Body, a.config().MaxBody)
	length := r.ContentLength
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzipped, err := newGunzip(body)
		if err != nil {
			return "", readProblem(err, tooLarge)
		}
		body, length = unzipped, -1
	default:
		w.Header().Set("Accept-Encoding", "gzip")
		return "", problem(http.StatusUnsupportedMediaType, "The Content-Encoding %.40q is not known: send gzip or none.", encoding)
	}
	text, err := a.readAll(body, length, share)
	if err != nil {
		return "", readProblem(err, tooLarge)
	}
	return text, nil
}

// skipBody reads the rest of the body of a refused request. Many clients send the whole
// body before they read the answer, and would see a reset connection instead. skipBody
// does not read a body of twice the largest size, nor one that the client sends only when
// told to.
func (a *api) skipBody(r *http.Request) {
	if r.ContentLength > 2*a.config().MaxBody || r.Header.Get("Expect") != "" {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, 2*a.config().MaxBody)
}

// errTooLarge is the error of a body that is too large after decompression.
var errTooLarge = errors.New("too large")

// readAll reads the whole body, unless it is larger than a body may be or than share
// allows. length is -1 if it is not known.
//
// It joins chunks, because a buffer that grows leaves several times its size behind as
// garbage. A large body of known length gets a buffer of that size only after enough of it
// has arrived. So a caller that announces much and sends nothing gets no memory, and does
// not keep others out.
func (a *api) readAll(body io.Reader, length int64, share *memoryShare) (string, error) {
	if length > largeBody && share.otherIsLarge() {
		return "", errOtherLarge()
	}
	var chunks []*[chunkBytes]byte
	defer func() {
		for _, chunk := range chunks {
			a.chunks.Put(chunk)
		}
	}()
	size := 0
	for end := false; !end; {
		if err := share.take(2 * chunkBytes); err != nil { // the chunk and its place in the text
			return "", err
		}
		chunk := a.chunks.Get().(*[chunkBytes]byte)
		chunks = append(chunks, chunk)
		n, err := fill(chunk[:], body)
		if end = errors.Is(err, io.EOF); err != nil && !end {
			return "", err
		}
		size += n
		if int64(size) > a.config().MaxBody {
			return "", errTooLarge
		}
		if size <= largeBody {
			continue
		}
		if !share.isOnlyLarge() {
			return "", errOtherLarge()
		}
		if length > int64(size) && !end {
			return a.readRest(chunks, size, body, length, share)
		}
	}
	var text strings.Builder
	text.Grow(size)
	joinChunks(&text, chunks, size)
	share.give(int64(len(chunks)) * chunkBytes)
	return text.String(), nil
}

// readRest reads what follows the chunks, which have size bytes, of a body of
// known length.
func (a *api) readRest(chunks []*[chunkBytes]byte, size int, body io.Reader, length int64, share *memoryShare) (string, error) {
	if err := share.take(length - int64(len(chunks))*chunkBytes); err != nil {
		return "", err
	}
	var text strings.Builder
	text.Grow(int(length))
	joinChunks(&text, chunks, size)
	for {
		n, err := fill(chunks[0][:], body)
		text.Write(chunks[0][:n])
		if errors.Is(err, io.EOF) {
			share.give(int64(len(chunks)) * chunkBytes)
			return text.String(), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// joinChunks writes the size bytes of chunks.
func joinChunks(text *strings.Builder, chunks []*[chunkBytes]byte, size int) {
	for _, chunk := range chunks {
		text.Write(chunk[:min(chunkBytes, size-text.Len())])
	}
}

// errOtherLarge is the answer to a large body while there is another one.
func errOtherLarge() error {
	return problem(http.StatusServiceUnavailable, "Another body of more than %d bytes is being read:"+
		" send this one again later, or in smaller parts.", largeBody).retryAfter(1)
}

// fill reads until chunk is full. Unlike io.ReadFull it does not change the error at the
// end, which may be gzip's.
func fill(chunk []byte, body io.Reader) (n int, err error) {
	for n < len(chunk) && err == nil {
		var m int
		m, err = body.Read(chunk[n:])
		n += m
	}
	return n, err
}

// readProblem returns what to answer if the body could not be read.
func readProblem(err error, tooLarge *problemError) *problemError {
	var tooMany *http.MaxBytesError
	switch {
	case errors.As(err, &tooMany), errors.Is(err, errTooLarge):
		return tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem(http.StatusRequestTimeout, "The body did not arrive within %s.", bodyTimeout)
	case errors.Is(err, errTrailing):
		return problem(http.StatusBadRequest, "Bytes that are not gzip follow the gzip data: end the body where the data ends.")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return problem(http.StatusBadRequest, "The body is not what its Content-Encoding says: %v.", err)
	}
	if p := asProblem(err); p != nil {
		return p
	}
	return problem(http.StatusBadRequest, "The body did not arrive whole: %v.", err)
}

// byteBudget bounds the memory that all posts take together, so that a burst
// of large ones is answered with 503 and not with the end of the process.
type byteBudget struct {
	total func() int64

	mu    sync.Mutex
	taken int64        // guarded by mu
	large *memoryShare // guarded by mu; of the large body under way, nil: there is none
}

// newByteBudget returns a budget of total() bytes, which may be another number each time.
func newByteBudget(total func() int64) *byteBudget { return &byteBudget{total: total} }

// share returns the share of one request, which has nothing yet.
func (b *byteBudget) share() *memoryShare { return &memoryShare{budget: b} }

// memoryShare is how much one request has taken from a byteBudget.
type memoryShare struct {
	budget *byteBudget
	taken  int64
}

// take takes n bytes more.
func (s *memoryShare) take(n int64) error {
	total := s.budget.total()
	if s.taken+n > total {
		return problem(http.StatusRequestEntityTooLarge, "The body's metrics take more than %d bytes of memory: send them in parts.", total)
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	if s.budget.taken+n > total {
		return problem(http.StatusServiceUnavailable, "Too many posts are under way: send this one again later.").retryAfter(1)
	}
	s.budget.taken += n
	s.taken += n
	return nil
}

// give gives back n bytes of what was taken.
func (s *memoryShare) give(n int64) {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.budget.taken -= n
	s.taken -= n
}

// isOnlyLarge reports whether this is the large body under way. If there is none, this
// becomes it.
func (s *memoryShare) isOnlyLarge() bool {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	if s.budget.large == nil {
		s.budget.large = s
	}
	return s.budget.large == s
}

// otherIsLarge reports whether another large body is under way.
func (s *memoryShare) otherIsLarge() bool {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.budget.large != nil && s.budget.large != s
}

// free gives back all that was taken.
func (s *memoryShare) free() {
	s.give(s.taken)
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	if s.budget.large == s {
		s.budget.large = nil
	}
}
