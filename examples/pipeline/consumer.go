package main

import (
	"fmt"
	"time"

	"github.com/nsqio/go-nsq"
)

// consumer takes what arrives in a topic of NSQ.
type consumer struct{ nsq *nsq.Consumer }

// consume gives the messages of a topic of the nsqd at address to take: lines
// of line protocol, each of which ends with a newline.
func consume(address, topic string, take func(lines []byte) error) (*consumer, error) {
	c, err := nsq.NewConsumer(topic, "pipeline", nsq.NewConfig())
	if err != nil {
		return nil, fmt.Errorf("consume %s: %w", topic, err)
	}
	c.SetLoggerLevel(nsq.LogLevelError)
	c.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error { return take(m.Body) }))
	if err := c.ConnectToNSQD(address); err != nil {
		c.Stop()
		return nil, fmt.Errorf("consume %s: %w", topic, err)
	}
	return &consumer{c}, nil
}

// drain returns when everything that was published is taken.
func (c *consumer) drain(q *queue, patience time.Duration) error {
	for deadline := time.Now().Add(patience); q.waiting() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d messages were not taken within %s", q.waiting(), patience)
		}
	}
	return nil
}

func (c *consumer) stop() {
	c.nsq.Stop()
	<-c.nsq.StopChan
}
