//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/backoff"
)

// patience of a caller is longer than what the agent takes to say no.
const patience = 40 * time.Second

// posters post points to namespaces in turn, whether the agent lives or not.
type posters struct {
	address    string
	namespaces []string
	points     *points
	stop       context.CancelFunc
	done       sync.WaitGroup

	taken, refused, cut atomic.Int64 // posts by answer: 200, 503, none
	slowest             atomic.Int64 // nanoseconds until a 200

	mu     sync.Mutex
	unfair error // the first answer that should not be; guarded by mu
}

func startPosters(ctx context.Context, n int, address string, namespaces []string, points *points) *posters {
	ctx, stop := context.WithCancel(ctx)
	p := &posters{address: address, namespaces: namespaces, points: points, stop: stop}
	for i := range n {
		// Half of the callers keep their connections.
		client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		p.done.Go(func() {
			for i := i; ctx.Err() == nil; i++ {
				if p.post(client, namespaces[i%len(namespaces)]) {
					backoff.Pause(ctx, 5*time.Millisecond)
				} else {
					backoff.Pause(ctx, 25*time.Millisecond)
				}
			}
			client.CloseIdleConnections()
		})
	}
	return p
}

// post posts some new points and tells whether they were taken. A post that
// was begun is ended, also when the posters are stopped.
func (p *posters) post(client *http.Client, namespace string) bool {
	n := 1 + rand.IntN(20)
	first := p.points.next(n)
	var body bytes.Buffer
	for i := range n {
		separator := ","
		if i == 0 {
			separator = "["
		}
		fmt.Fprintf(&body, `%s{"name":"chaos","value":%d}`, separator, first+i)
	}
	body.WriteByte(']')
	began := time.Now()
	response, err := client.Post("http://"+p.address+"/post?ns="+namespace, "application/json", &body)
	if err != nil {
		p.cut.Add(1)
		if time.Since(began) >= patience {
			p.complain(fmt.Errorf("a post hung: %w", err))
		}
		return false
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
		p.points.acknowledge(first, n)
		p.taken.Add(1)
		p.slowest.Store(max(p.slowest.Load(), int64(time.Since(began))))
		return true
	case err != nil:
		p.cut.Add(1)
	case response.StatusCode == http.StatusServiceUnavailable:
		p.refused.Add(1)
	default:
		p.complain(fmt.Errorf("a good post was answered with %s: %s", response.Status, strings.TrimSpace(string(answer))))
	}
	return false
}

func (p *posters) complain(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unfair == nil {
		p.unfair = err
	}
}

// close waits for the posts under way. It may be called again.
func (p *posters) close() error {
	p.stop()
	p.done.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unfair
}
