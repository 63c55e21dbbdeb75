//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/nsqdtest"
)

// topic is where the agent sends what is posted to the namespace load.
const topic = "collect.load"

// runQueue is the process of nsqd and its consumer. It prints nsqd's address,
// and for each line that it reads the number of points that have arrived.
func runQueue() error {
	nsqd, err := nsqdtest.New(nsqdtest.Options{})
	if err != nil {
		return err
	}
	defer nsqd.Close()
	consumer, err := nsqd.Consume(topic, "count")
	if err != nil {
		return err
	}
	defer consumer.Close()
	var arrived atomic.Int64
	go func() { // ends with the process
		for message := range consumer.Messages {
			arrived.Add(int64(bytes.Count(message, []byte("RUN."))))
		}
	}()
	fmt.Println(nsqd.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(arrived.Load())
	}
	return nil
}

// queueProcess is the process of runQueue.
type queueProcess struct {
	address string // of nsqd
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

func startQueue() (*queueProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	q := &queueProcess{command: exec.Command(self, "-queue")}
	q.command.Stderr = os.Stderr
	if q.input, err = q.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := q.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	q.output = bufio.NewReader(output)
	if err := q.command.Start(); err != nil {
		return nil, err
	}
	line, err := q.output.ReadString('\n')
	q.address = strings.TrimSpace(line)
	return q, err
}

// arrived returns the number of points that have arrived.
func (q *queueProcess) arrived() (n int64, err error) {
	if _, err := fmt.Fprintln(q.input); err != nil {
		return 0, err
	}
	_, err = fmt.Fscanln(q.output, &n)
	return n, err
}

// await waits until so many points have arrived, or none arrive any more.
func (q *queueProcess) await(points int64) (int64, error) {
	for last := int64(-1); ; {
		n, err := q.arrived()
		if err != nil || n >= points || n == last {
			return n, err
		}
		last = n
		time.Sleep(2 * time.Second)
	}
}

func (q *queueProcess) stop() error { return errors.Join(q.input.Close(), q.command.Wait()) }
