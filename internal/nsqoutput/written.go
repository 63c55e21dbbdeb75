package nsqoutput

import (
	"cmp"
	"slices"
	"sync"

	"github.com/lodastack/agent"
)

// maxWritten is how many topics are remembered. A new one replaces the one that was written
// to least recently.
const maxWritten = 256

// written remembers which server acknowledged the last write to each topic.
type written struct {
	mu     sync.Mutex
	topics map[string]agent.TopicDetails // by namespace; guarded by mu
}

func (w *written) note(t agent.TopicDetails) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.topics == nil {
		w.topics = make(map[string]agent.TopicDetails)
	}
	if _, known := w.topics[t.Namespace]; !known && len(w.topics) >= maxWritten {
		oldest := t
		for _, other := range w.topics {
			if other.Time.Before(oldest.Time) {
				oldest = other
			}
		}
		delete(w.topics, oldest.Namespace)
	}
	w.topics[t.Namespace] = t
}

// details returns what is remembered, in order of namespace.
func (w *written) details() []agent.TopicDetails {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []agent.TopicDetails
	for _, t := range w.topics {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b agent.TopicDetails) int { return cmp.Compare(a.Namespace, b.Namespace) })
	return list
}
