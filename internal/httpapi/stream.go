package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/lodastack/agent/internal/recent"
)

const (
	// defaultRate of a stream, in points a second.
	defaultRate = 100
	// slowReader is how long a write may block before the stream ends.
	slowReader = 10 * time.Second
	// keepAlive is how often a stream says something, for the proxies' sake.
	keepAlive = 15 * time.Second
	// together is how long points wait for others, so that all that the agent measures at
	// a time costs one write.
	together = 50 * time.Millisecond
)

// serveStream sends points as they pass, as server-sent events (the HTML standard,
// section 9.2), until the caller goes away or the agent stops.
func (a *api) serveStream(w http.ResponseWriter, r *http.Request) error {
	query, filter, err := filterOf(r)
	if err != nil {
		return err
	}
	rate, err := wholeNumber(query, "rate", defaultRate, 1, recent.MaxRate)
	if err != nil {
		return err
	}
	every, err := wholeNumber(query, "status", 0, 2, 60)
	if err != nil {
		return err
	}
	reader, err := a.agent.Recent().Read(filter, rate)
	switch {
	case errors.Is(err, recent.ErrTooManyReaders):
		return problem(http.StatusServiceUnavailable, "%d streams are open, which is the most: try again later.", recent.MaxReaders).retryAfter(10)
	case err != nil:
		return problem(http.StatusServiceUnavailable, "The agent stops: try again in a few seconds.").retryAfter(5)
	}
	defer reader.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return nil
	}
	s := &stream{writer: w, control: http.NewResponseController(w)}
	a.follow(r, s, reader, time.Duration(every)*time.Second)
	return nil
}

// follow writes what the reader gets, and the status every so often; 0: never. With the
// status come the warnings of the log if there are new ones.
func (a *api) follow(r *http.Request, s *stream, reader *recent.Reader, every time.Duration) {
	// flush: when to send what was written; count: when to say what was left out, a second
	// after news.
	var status, flush, count <-chan time.Time
	if every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		status = ticker.C
		s.sendStatus(a.agent)
	}
	s.comment()
	quiet := time.NewTimer(keepAlive)
	defer quiet.Stop()
	for s.err == nil {
		if flush == nil && s.flush() != nil {
			return
		}
		quiet.Reset(keepAlive - time.Since(s.last))
		select {
		case <-r.Context().Done():
			return
		case _, more := <-reader.Ready():
			if !more {
				return
			}
			for _, p := range reader.Take() {
				s.send("point", pointAnswer(p))
			}
			if flush == nil && s.pending {
				flush = time.After(together)
			}
			if count == nil && reader.Missed() {
				count = time.After(time.Second)
			}
		case <-flush:
			flush = nil
		case <-count:
			count = nil
			if n := reader.LeftOut(); n > 0 {
				s.send("left_out", map[string]int64{"points": n})
			}
		case <-status:
			s.sendStatus(a.agent)
		case <-quiet.C:
			s.comment()
		}
	}
}

// stream writes server-sent events. After an error it writes nothing more.
type stream struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	last    time.Time // of the last write
	pending bool
	err     error
	warned  time.Time // of the newest warning that was sent
}

// sendStatus writes the status, and the warnings if there is a new one.
func (s *stream) sendStatus(a Agent) {
	s.send("status", a.Status())
	if records := a.Warnings(); len(records) > 0 && !records[0].Time.Equal(s.warned) {
		s.warned = records[0].Time
		s.send("warnings", warningsAnswer{records})
	}
}

// send writes an event with the JSON of data.
func (s *stream) send(event string, data any) {
	content, err := json.Marshal(data)
	if err != nil {
		s.err = err
		return
	}
	s.write("event: " + event + "\ndata: " + string(content) + "\n\n")
}

// comment writes what readers ignore.
func (s *stream) comment() { s.write(":\n\n") }

func (s *stream) write(text string) {
	if s.err != nil {
		return
	}
	s.last, s.pending = time.Now(), true
	// A server that cannot do this keeps its own limit.
	_ = s.control.SetWriteDeadline(s.last.Add(slowReader))
	_, s.err = s.writer.Write([]byte(text))
}

// flush sends what was written.
func (s *stream) flush() error {
	if s.err == nil && s.pending {
		s.pending = false
		s.err = s.control.Flush()
	}
	return s.err
}
