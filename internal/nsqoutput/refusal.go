package nsqoutput

import "strings"

// Reasons for which the output drops points. Other answers of nsqd are reasons of their own.
const (
	// DroppedTopic: no topic can have the namespace's name.
	DroppedTopic = "bad_topic"
	// DroppedTooLarge: no message can hold the point.
	DroppedTooLarge = "too_large"
	// DroppedPoint: the format cannot express the point.
	DroppedPoint = "bad_point"
)

// refusal is the error of a request that a working nsqd has refused.
type refusal struct {
	answer string // nsqd's, such as "E_BAD_TOPIC PUB topic name …"
}

// asRefusal returns nil if the answer is about the server or the connection and
// not about the request.
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

// permanent returns false if nsqd may accept the request later. That is so for
// E_UNAUTHORIZED, because nsqd looks up permissions again and again.
func (r *refusal) permanent() bool { return r.code() != "E_UNAUTHORIZED" }

// reason is the reason for dropping the points: DroppedTooLarge, or the answer's code, which is
// DroppedTopic for E_BAD_TOPIC.
func (r *refusal) reason() string {
	if r.tooBig() {
		return DroppedTooLarge
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
