package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/nsqio/nsq/nsqd"
)

// queue is an nsqd inside this process.
type queue struct {
	daemon *nsqd.NSQD
	ended  chan error
}

// startQueue starts an nsqd on a free port that keeps its messages in dir.
func startQueue(dir string) (*queue, error) {
	options := nsqd.NewOptions()
	options.TCPAddress = "127.0.0.1:0"
	options.HTTPAddress, options.HTTPSAddress = "", ""
	options.DataPath = filepath.Join(dir, "nsqd")
	options.Logger = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	if err := os.Mkdir(options.DataPath, 0o700); err != nil {
		return nil, err
	}
	daemon, err := nsqd.New(options)
	if err != nil {
		return nil, fmt.Errorf("start nsqd: %w", err)
	}
	q := &queue{daemon: daemon, ended: make(chan error, 1)}
	go func() { q.ended <- daemon.Main() }()
	return q, nil
}

func (q *queue) address() string { return q.daemon.RealTCPAddr().String() }

// waiting returns how many messages nobody has acknowledged yet.
func (q *queue) waiting() (messages int64) {
	for _, topic := range q.daemon.GetStats("", "", false).Topics {
		messages += topic.Depth
		for _, channel := range topic.Channels {
			messages += channel.Depth + int64(channel.InFlightCount)
		}
	}
	return messages
}

func (q *queue) stop() error {
	q.daemon.Exit()
	return <-q.ended
}
