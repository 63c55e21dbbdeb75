package sandbox

import (
	"syscall"
	"time"
)

// launch is how to start a process.
type launch struct {
	path  string
	argv  []string
	dir   string
	env   []string
	files []descriptor // its descriptors 0, 1, …
	sys   *syscall.SysProcAttr
	// setup is what sys cannot express. Nil: the process inherits it from the thread
	// that starts it.
	setup *childSetup
}

// exit is how a process ended, and what it used.
type exit struct {
	code   int // -1 if a signal ended it
	signal syscall.Signal
	usage  Usage
}

// background waits for a process in a goroutine, for systems without a
// descriptor that tells when a process ends.
type background struct {
	over chan struct{} // closed when exit is valid
	exit exit
	wake chan struct{} // holds an interrupt
}

func waitInBackground(wait func() exit) *background {
	b := &background{over: make(chan struct{}), wake: make(chan struct{}, 1)}
	go func() {
		defer close(b.over)
		b.exit = wait()
	}()
	return b
}

func (b *background) await(deadline time.Time) (exit, bool) {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-b.over:
		return b.exit, true
	case <-b.wake:
	case <-late:
	}
	select {
	case <-b.over:
		return b.exit, true
	default:
		return exit{}, false
	}
}

func (b *background) interrupt() {
	select {
	case b.wake <- struct{}{}:
	default: // one is enough
	}
}
