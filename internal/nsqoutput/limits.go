package nsqoutput

import (
	"log/slog"
	"strconv"
	"strings"
	"sync"
)

// sizes are the largest message and the largest body of a request with several
// messages, in bytes.
type sizes struct {
	message, body int
}

// limits are the largest sizes that the servers accept. They start with the
// configured sizes and shrink when a server refuses a request as too big. A
// reload of the config resets them. It is safe for concurrent use.
//
// nsqd does not tell a producer its --max-msg-size and --max-body-size before
// it refuses a request (telegraf#9744, telegraf#10130).
type limits struct {
	log *slog.Logger

	mu     sync.Mutex // owns what follows
	now    sizes
	warned sizes // not zero: a warning about that size was logged
}

func newLimits(maxMessage int, log *slog.Logger) *limits {
	return &limits{log: log, now: sizes{message: maxMessage, body: maxBodySize}}
}

func (l *limits) sizes() sizes {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// shrink lowers the limit that the refusal is about. The new limit is the
// server's if the answer contains it, else half of what was sent.
func (l *limits) shrink(r *refusal, sent sizes, messages int) {
	what, size := "message", sent.message
	l.mu.Lock()
	limit, warned := &l.now.message, &l.warned.message
	if messages > 1 && r.code() == "E_BAD_BODY" {
		what, size = "request", sent.body
		limit, warned = &l.now.body, &l.warned.body
	}
	*limit = min(*limit, r.limit(size))
	now, first := *limit, *warned == 0
	*warned = size
	l.mu.Unlock()
	if first {
		l.log.Warn("nsqd refused a "+what+" as too big: sending smaller ones from now on",
			slog.Int("bytes", size), slog.Int("limit", now), slog.String("answer", r.answer))
	}
}

// tooBig reports whether nsqd would accept the same points in smaller pieces.
func (r *refusal) tooBig() bool {
	code := r.code()
	return (code == "E_BAD_MESSAGE" || code == "E_BAD_BODY") && strings.Contains(r.answer, "too big")
}

// limit returns the limit in an answer such as "PUB message too big 70000 >
// 65536". If there is none below what was sent, it returns half of what was
// sent.
func (r *refusal) limit(sent int) int {
	if _, limit, named := strings.Cut(r.answer, " > "); named {
		if n, err := strconv.Atoi(strings.TrimSpace(limit)); err == nil && n > 0 && n < sent {
			return n
		}
	}
	return sent / 2
}
