package nsqoutput

import (
	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/topic"
)

// topic returns the topic of a namespace. If NSQ does not allow that name, the
// error is permanent.
func (o *Output) topic(namespace string) (string, error) {
	if err := topic.CheckNamespace(o.cfg.TopicPrefix, namespace); err != nil {
		return "", &agent.PermanentError{Reason: DroppedTopic, Err: err}
	}
	return o.cfg.TopicPrefix + namespace, nil
}
