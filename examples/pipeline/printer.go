package main

import (
	"fmt"
	"io"
	"time"

	"github.com/nsqio/go-nsq"
)

// printer is an NSQ consumer that prints what it receives.
type printer struct{ consumer *nsq.Consumer }

// startPrinter consumes a topic of the nsqd at address.
func startPrinter(address, topic string, w io.Writer) (*printer, error) {
	consumer, err := nsq.NewConsumer(topic, "printer", nsq.NewConfig())
	if err != nil {
		return nil, fmt.Errorf("consume %s: %w", topic, err)
	}
	consumer.SetLoggerLevel(nsq.LogLevelError)
	consumer.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error {
		_, err := w.Write(m.Body) // each line of it ends with a newline
		return err
	}))
	if err := consumer.ConnectToNSQD(address); err != nil {
		consumer.Stop()
		return nil, fmt.Errorf("consume %s: %w", topic, err)
	}
	return &printer{consumer}, nil
}

// drain returns when everything that was published is printed.
func (p *printer) drain(q *queue, patience time.Duration) error {
	for deadline := time.Now().Add(patience); q.waiting() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d messages were not printed within %s", q.waiting(), patience)
		}
	}
	return nil
}

func (p *printer) stop() {
	p.consumer.Stop()
	<-p.consumer.StopChan
}
