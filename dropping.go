package agent

import (
	"time"

	"github.com/lodastack/agent/internal/delivery"
)

// Dropping says that points of a namespace are dropped now: some were in the
// last six minutes, or in the last hour and none was delivered since.
type Dropping struct {
	Namespace string `json:"namespace"`
	// Reason is a word, as in [Account.Dropped].
	Reason string `json:"reason"`
	// Points dropped from Since to Last.
	Points int64     `json:"points"`
	Since  time.Time `json:"since"`
	Last   time.Time `json:"last"`
	// Error is what the output said of the last ones, empty where it was not
	// the output that dropped them.
	Error string `json:"error,omitempty"`
	// Advice says what to do about it; empty for a reason that only the output
	// knows.
	Advice string `json:"advice,omitempty"`
}

// dropAdvice says what to do about points that are dropped for a reason of the
// agent or of its stock parts.
func dropAdvice(reason string) string {
	switch reason {
	case "bad_topic":
		return "no NSQ topic can have its name: give the namespace another name in the registry, or shorten output.topicprefix"
	case "too_large":
		return "shorten the texts of these points, or raise output.maxmessagesize and nsqd's --max-msg-size"
	case "bad_point":
		return "correct what sends these points"
	case delivery.DroppedBufferFull:
		return "bring the output back, or raise output.buffersize"
	case "spool_full":
		return "bring the output back, or raise output.spoolsize"
	case "spool_age":
		return "bring the output back, or raise output.spoolage"
	case "spool_damaged":
		return "find out what removes or changes the spool's files, and check the disk"
	}
	return ""
}

// dropping returns the namespaces that lose points now.
func (a *Agent) dropping() (dropping []Dropping) {
	for _, d := range a.delivery.Drops() {
		said := Dropping{Namespace: d.Namespace, Reason: d.Reason, Points: d.Points, Since: d.Since, Last: d.Last, Advice: dropAdvice(d.Reason)}
		if d.Err != nil {
			said.Error = d.Err.Error()
		}
		dropping = append(dropping, said)
	}
	return dropping
}
