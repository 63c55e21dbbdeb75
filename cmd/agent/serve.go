package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/pidfile"
	"github.com/lodastack/agent/internal/sdnotify"
	"github.com/lodastack/agent/stock"
)

// sameRequest is how long a second signal counts as part of the first:
// timeout(1), for example, signals both the process and its group.
const sameRequest = 200 * time.Millisecond

// startLasts is the time after Ready in which most kinds have been collected for the first
// time.
const startLasts = 30 * time.Second

// served is the service of `agent start`, between its signals and systemd.
type served struct {
	service *stock.Service
	pid     *pidfile.File
	systemd *sdnotify.Manager
	stderr  io.Writer
	started func() // to be called once the service is ready

	mu       sync.Mutex
	reloaded error // guarded by mu; why the last reload failed
}

// run runs the service until a signal stops it.
func (d *served) run(signals <-chan os.Signal) error {
	ctx, stop := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	defer stop()
	done := make(chan error, 1)
	go func() { done <- d.service.Run(ctx) }()
	reloads := make(chan struct{}, 1) // a signal while one waits is the same request
	helpers.Go(func() { d.reload(ctx, reloads) })
	starting := d.service.Ready()
	var settled <-chan time.Time
	var asked time.Time
	for {
		select {
		case <-starting:
			starting = nil
			d.started()
			settled = time.After(startLasts)
			d.tell(sdnotify.Ready, sdnotify.Status("Running."))
			if d.systemd != nil {
				helpers.Go(func() { d.watch(ctx) })
			}
		case <-settled:
			if err := releaseStartPages(); err != nil {
				fmt.Fprintf(d.stderr, "agent start: releasing memory of the start: %v\n", err)
			}
		case err := <-done:
			if err != nil && ctx.Err() != nil {
				err = exitError{exitUnclean, err}
			}
			stop()
			helpers.Wait() // they write the pid file
			return err
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				select {
				case reloads <- struct{}{}:
				default:
				}
			case ctx.Err() == nil:
				asked = time.Now()
				d.tell(sdnotify.Stopping, sdnotify.Status("Stopping: delivers or stores the waiting points."))
				stop()
			case time.Since(asked) > sameRequest:
				return exitError{exitUnclean, fmt.Errorf("a second signal (%v) killed the agent before it had stopped", s)}
			}
		}
	}
}

// reload reloads the config for each request until ctx ends. A failure is in the
// log, and in the pid file for `agent reload`.
func (d *served) reload(ctx context.Context, requests <-chan struct{}) {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-requests:
		}
		if err := d.pid.Renew(); err != nil {
			fmt.Fprintf(d.stderr, "agent start: %v\n", err)
		}
		d.tell(sdnotify.Reloading(), sdnotify.Status("Reloading the config."))
		err := d.service.Reload(ctx)
		d.mu.Lock()
		d.reloaded = err
		d.mu.Unlock()
		if err := d.pid.Reloaded(n, err); err != nil {
			fmt.Fprintf(d.stderr, "agent start: write the pid file: %v\n", err)
		}
		if ctx.Err() == nil { // else STOPPING=1 has been sent
			d.tell(sdnotify.Ready, sdnotify.Status(d.sentence(ctx)))
		}
	}
}

// tell sends systemd messages. A failure does not stop the agent.
func (d *served) tell(messages ...string) {
	if err := d.systemd.Notify(messages...); err != nil {
		fmt.Fprintf(d.stderr, "agent start: %v\n", err)
	}
}
