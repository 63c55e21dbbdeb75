package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ctxCheck is how often ctx is checked while no port answers.
const ctxCheck = 100 * time.Millisecond

// tryPorts tries all ports at the same time. It waits for all sockets in one
// poll(2). net.Dialer takes twice the processor time, because it needs two
// goroutines, timers and a registration with the runtime's poller for each.
func tryPorts(ctx context.Context, attempts []attempt) map[attempt]outcome {
	outcomes := make(map[attempt]outcome, len(attempts))
	for some := range slices.Chunk(attempts, parallelPorts) {
		d := dialing{outcomes: outcomes}
		d.start(some)
		d.abandon(d.wait(ctx))
	}
	return outcomes
}

// dialing is a set of open connection attempts.
type dialing struct {
	outcomes map[attempt]outcome
	attempts []attempt
	sockets  []unix.PollFd // of attempts; -1, which poll ignores, once decided
	waiting  int
	began    time.Time
}

func socketAddress(at netip.AddrPort) (family int, address unix.Sockaddr) {
	if at.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
}

func (d *dialing) start(attempts []attempt) {
	d.began = time.Now()
	for _, a := range attempts {
		family, address := socketAddress(a.at)
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			d.outcomes[a] = outcome{err: err}
			continue
		}
		err = unix.Connect(fd, address)
		if err != nil && !errors.Is(err, unix.EINPROGRESS) {
			unix.Close(fd)
			d.outcomes[a] = outcomeOf(err)
			continue
		}
		d.attempts = append(d.attempts, a)
		d.sockets = append(d.sockets, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT})
		d.waiting++
	}
}

// wait returns when each attempt is decided, or ctx has ended.
func (d *dialing) wait(ctx context.Context) error {
	for d.waiting > 0 && ctx.Err() == nil {
		_, err := unix.Poll(d.sockets, int(d.patience().Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll: %w", err)
		}
		since := time.Since(d.began)
		for i, s := range d.sockets {
			switch {
			case s.Fd < 0:
			case s.Revents != 0:
				d.decide(i, connected(int(s.Fd)))
			case since >= d.attempts[i].timeout:
				d.decide(i, outcome{})
			}
		}
	}
	return ctx.Err()
}

// patience is the time until the next action is due if no socket is ready.
func (d *dialing) patience() time.Duration {
	patience := ctxCheck
	for i, s := range d.sockets {
		if s.Fd >= 0 {
			patience = min(patience, d.attempts[i].timeout-time.Since(d.began))
		}
	}
	return max(patience, time.Millisecond)
}

func (d *dialing) decide(i int, o outcome) {
	unix.Close(int(d.sockets[i].Fd))
	d.sockets[i].Fd = -1
	d.outcomes[d.attempts[i]] = o
	d.waiting--
}

// connected returns the outcome of a socket that is ready. A connection that
// was reset had been accepted. If nobody listens on the port, the kernel may
// give that port to the socket itself, which then connects to itself.
func connected(fd int) outcome {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return outcome{err: err}
	}
	switch err := syscall.Errno(code); err {
	case 0:
	case unix.ECONNRESET, unix.EPIPE:
		return outcome{value: 1}
	default:
		return outcomeOf(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		return outcome{err: err}
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return outcome{value: 1} // it was reset meanwhile
	}
	if reflect.DeepEqual(own, peer) {
		return outcome{}
	}
	return outcome{value: 1}
}

// abandon decides the open attempts after err. A timeout of the round means
// that they were not accepted. After any other error they are unknown.
func (d *dialing) abandon(err error) {
	o := outcome{err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		o = outcome{}
	}
	for i, s := range d.sockets {
		if s.Fd >= 0 {
			d.decide(i, o)
		}
	}
}
