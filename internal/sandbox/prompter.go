package sandbox

import (
	"fmt"
	"os"
	"time"
)

// prompter writes a newline to a command's standard input at each interval, until it
// is closed or nobody reads any more. While the pipe is full it waits: a command that
// does not read has enough of them.
type prompter struct {
	input *os.File
	stop  chan struct{}
	done  chan struct{} // closed when nothing more is written
}

// newPrompter returns a prompter that has begun, and the end that the command reads
// from.
func newPrompter(interval time.Duration) (*prompter, descriptor, error) {
	stdin, input, err := makeInput()
	if err != nil {
		return nil, stdin, fmt.Errorf("making a pipe for the command's input: %w", err)
	}
	p := &prompter{input: input, stop: make(chan struct{}), done: make(chan struct{})}
	go p.prompt(interval)
	return p, stdin, nil
}

func (p *prompter) prompt(interval time.Duration) {
	defer close(p.done)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if _, err := p.input.Write([]byte{'\n'}); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-p.stop:
			return
		}
	}
}

// close closes the command's standard input. It may be called on nil.
func (p *prompter) close() {
	if p == nil {
		return
	}
	close(p.stop)
	p.input.Close() // which ends a write that waits
	<-p.done
}
