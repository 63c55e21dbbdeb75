//go:build linux

package main

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"sync"

	"github.com/lodastack/agent/internal/nsqdtest"
)

// queue is three nsqds, whose points are counted.
type queue struct {
	servers   []*nsqdtest.Server
	consumers []*nsqdtest.Consumer
	seed      maphash.Seed
	reading   sync.WaitGroup

	mu       sync.Mutex
	points   map[uint64]struct{} // guarded by mu; hashes of topic and line
	received int64               // guarded by mu; points with those that came again
	last     int                 // guarded by mu; the newest message's server
}

func newQueue(dir string, topics []string) (q *queue, err error) {
	q = &queue{seed: maphash.MakeSeed(), points: make(map[uint64]struct{})}
	for i := range 3 {
		messages := filepath.Join(dir, fmt.Sprintf("nsqd-%d", i))
		if err := os.Mkdir(messages, 0o700); err != nil {
			return q, err
		}
		server, err := nsqdtest.New(nsqdtest.Options{Dir: messages})
		if err != nil {
			return q, err
		}
		q.servers = append(q.servers, server)
		for _, topic := range topics {
			consumer, err := server.Consume(topic, "fleet")
			if err != nil {
				return q, err
			}
			q.consumers = append(q.consumers, consumer)
			q.reading.Go(func() { q.read(i, topic, consumer) })
		}
	}
	return q, nil
}

// read counts the points of a topic of a server.
func (q *queue) read(server int, topic string, consumer *nsqdtest.Consumer) {
	for message := range consumer.Messages {
		var hash maphash.Hash
		hash.SetSeed(q.seed)
		q.mu.Lock()
		for line := range bytes.Lines(message) {
			hash.Reset()
			hash.WriteString(topic)
			hash.Write(line)
			q.points[hash.Sum64()] = struct{}{}
			q.received++
		}
		q.last = server
		q.mu.Unlock()
	}
}

// counted returns the points that have arrived, each once, and with those that came again.
func (q *queue) counted() (points, received int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int64(len(q.points)), q.received
}

// busy returns the server that the newest message came from.
func (q *queue) busy() *nsqdtest.Server {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.servers[q.last]
}

func (q *queue) addresses() (list []string) {
	for _, s := range q.servers {
		list = append(list, s.Addr())
	}
	return list
}

func (q *queue) close() {
	for _, s := range q.servers {
		s.Close()
	}
}
