//go:build linux

package main

import (
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/lodastack/agent/internal/nsqdtest"
)

// broker is an nsqd whose messages are consumed.
type broker struct {
	server  *nsqdtest.Server
	topics  []string
	arrive  func(message []byte)
	state   brokerState
	readers []*reader
}

type brokerState string

const (
	up      brokerState = "up"
	stopped brokerState = "stopped"
	frozen  brokerState = "frozen"
)

// reader takes a topic's messages.
type reader struct {
	consumer *nsqdtest.Consumer
	stop     chan struct{}
	done     sync.WaitGroup
}

func startBroker(arrive func([]byte), topics ...string) (*broker, error) {
	server, err := nsqdtest.New(nsqdtest.Options{})
	if err != nil {
		return nil, err
	}
	b := &broker{server: server, topics: topics, arrive: arrive, state: up}
	if err := b.consume(); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

func (b *broker) consume() error {
	for _, topic := range b.topics {
		consumer, err := b.server.Consume(topic, "chaos")
		if err != nil {
			return err
		}
		r := &reader{consumer: consumer, stop: make(chan struct{})}
		b.readers = append(b.readers, r)
		r.done.Go(func() {
			for {
				select {
				case message := <-consumer.Messages:
					b.arrive(message)
				case <-r.stop:
					return
				}
			}
		})
	}
	return nil
}

// stop ends nsqd. The consumers leave before, so that no message is on its way
// to them at that moment: nsqd would lose it.
func (b *broker) stop() error {
	if b.state == frozen {
		b.server.Thaw()
	}
	for _, r := range b.readers {
		r.consumer.Close()
		close(r.stop)
		r.done.Wait()
	}
	b.readers = nil
	b.server.Stop()
	b.state = stopped
	return nil
}

// takeAway stops or freezes it, and says which.
func (b *broker) takeAway(random *rand.Rand) (done string, err error) {
	if random.IntN(2) == 0 {
		return "stop", b.stop()
	}
	b.server.Freeze()
	b.state = frozen
	return "freeze", nil
}

// heal makes it work again, whatever it does now.
func (b *broker) heal() error {
	switch b.state {
	case frozen:
		b.server.Thaw()
	case stopped:
		if err := b.server.Restart(); err != nil {
			return err
		}
		if err := b.consume(); err != nil {
			return err
		}
	}
	b.state = up
	return nil
}

func (b *broker) close() {
	_ = b.stop()
	b.server.Close()
}
