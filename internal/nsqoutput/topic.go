package nsqoutput

import (
	"fmt"

	"github.com/lodastack/agent"
)

// maxTopicLength is NSQ's.
const maxTopicLength = 64

// topic returns the topic of a namespace. Where NSQ cannot have a topic of
// that name the error is permanent.
func (o *Output) topic(namespace string) (string, error) {
	topic := o.cfg.TopicPrefix + namespace
	if err := checkTopic(topic); err != nil {
		return "", &agent.PermanentError{Reason: "bad_topic", Err: fmt.Errorf("namespace %q: %w", namespace, err)}
	}
	return topic, nil
}

// checkTopic says why name is no topic. nsqd also knows topics that end in
// "#ephemeral"; their messages are thrown away when nobody listens, so they
// are none here.
func checkTopic(name string) error {
	if name == "" || len(name) > maxTopicLength {
		return fmt.Errorf("topic %q has %d characters; NSQ's have 1 to %d, so use a namespace of another length", name, len(name), maxTopicLength)
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
		default:
			return fmt.Errorf("topic %q contains %q; NSQ's topics are of a-z A-Z 0-9 . _ -, so use a namespace without it", name, r)
		}
	}
	return nil
}
