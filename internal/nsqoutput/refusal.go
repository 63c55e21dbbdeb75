package nsqoutput

import "strings"

// refusal is the error of a request that an nsqd which works has refused.
type refusal struct {
	answer string // nsqd's, such as "E_BAD_TOPIC PUB topic name …"
}

// asRefusal returns nil where the answer tells of trouble with the server or
// the connection rather than with the request.
func asRefusal(answer string) *refusal {
	r := &refusal{answer: answer}
	switch r.code() {
	case "E_BAD_TOPIC", "E_BAD_MESSAGE", "E_BAD_BODY", "E_UNAUTHORIZED":
		return r
	}
	return nil
}

func (r *refusal) Error() string { return "refuses: " + r.answer }

func (r *refusal) code() string {
	code, _, _ := strings.Cut(r.answer, " ")
	return code
}

// permanent is false where nsqd may think otherwise later: what a client is
// authorized to do is looked up again and again.
func (r *refusal) permanent() bool { return r.code() != "E_UNAUTHORIZED" }

// reason is why the points are dropped: too_large, or E_BAD_TOPIC's bad_topic.
func (r *refusal) reason() string {
	if r.tooBig() {
		return "too_large"
	}
	return strings.ToLower(strings.TrimPrefix(r.code(), "E_"))
}

// tooBigError is the error of a request of several points that a server calls
// too big.
type tooBigError struct{ *refusal }

// refusals counts the points of a batch that can never be written. The zero
// value has none.
type refusals struct {
	points int
	reason string
	first  error
}

func (r *refusals) add(points int, reason string, err error) {
	if r.points == 0 {
		r.reason, r.first = reason, err
	}
	r.points += points
}
