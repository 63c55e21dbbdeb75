//go:build !linux

package hostmetrics

import (
	"context"
	"errors"
	"net"
	"sync"
)

// tryPorts tries all ports at the same time.
func tryPorts(ctx context.Context, attempts []attempt) map[attempt]outcome {
	var (
		mu       sync.Mutex
		outcomes = make(map[attempt]outcome, len(attempts)) // guarded by mu
		running  sync.WaitGroup
		slots    = make(chan struct{}, parallelPorts)
	)
	for _, a := range attempts {
		slots <- struct{}{}
		running.Go(func() {
			o := try(ctx, a)
			mu.Lock()
			outcomes[a] = o
			mu.Unlock()
			<-slots
		})
	}
	running.Wait()
	return outcomes
}

// lookUp is known only on Linux.
func (ports) lookUp(attempts []attempt) map[attempt]outcome {
	outcomes := make(map[attempt]outcome, len(attempts))
	for _, a := range attempts {
		outcomes[a] = outcome{err: errors.New("the sockets of the host are known only on Linux")}
	}
	return outcomes
}

func try(ctx context.Context, a attempt) outcome {
	dialer := net.Dialer{Timeout: a.timeout, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", a.at.String())
	switch {
	case err == nil:
		return outcome{1, conn.Close()}
	case errors.Is(ctx.Err(), context.Canceled):
		return outcome{err: ctx.Err()}
	}
	return outcomeOf(err)
}
