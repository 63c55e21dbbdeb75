//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// metricsPerPost is how many metrics each body has.
const metricsPerPost = 100

// bodyKind is a kind of bodies that are posted.
type bodyKind struct {
	name   string
	bodies []string
}

// bodyKinds returns bodies of metrics with two tags each.
func bodyKinds() []bodyKind {
	return []bodyKind{
		{"tags different", makeBodies(func(n int) string { return fmt.Sprint("/api/v1/item", n) })},
		{"tags alike", makeBodies(func(int) string { return "/api/v1/items" })},
	}
}

// makeBodies returns bodies in which metric n has the path path(n).
func makeBodies(path func(n int) string) []string {
	bodies := make([]string, 64)
	now := time.Now().Unix()
	for b := range bodies {
		metrics := make([]string, metricsPerPost)
		for i := range metrics {
			metrics[i] = fmt.Sprintf(`{"name":"http.requests.count","timestamp":%d,"tags":{"path":%q,"code":"200"},"value":%d.25}`,
				now, path(b*metricsPerPost+i), i*b)
		}
		bodies[b] = "[" + strings.Join(metrics, ",") + "]"
	}
	return bodies
}

// largeBody is how many bytes a large body has, and largeBodies how many are
// posted at once.
const (
	largeBody   = 15 << 20
	largeBodies = 16
)

// makeLargeBody returns a body of about largeBody bytes.
func makeLargeBody() string {
	var body strings.Builder
	body.Grow(largeBody + 200)
	now := time.Now().Unix()
	for i := 0; body.Len() < largeBody; i++ {
		separator := ","
		if i == 0 {
			separator = "["
		}
		fmt.Fprintf(&body, `%s{"name":"http.requests.count","timestamp":%d,"tags":{"path":"/api/v1/item%d","code":"200"},"value":%d.25}`, separator, now, i, i)
	}
	body.WriteByte(']')
	return body.String()
}

// loadLarge posts large bodies at once.
func (a *target) loadLarge() (result, error) {
	body := makeLargeBody()
	if err := a.resetPeak(); err != nil {
		return result{}, err
	}
	statuses, errs := make([]int, largeBodies), make([]error, largeBodies)
	began := time.Now()
	var posts sync.WaitGroup
	for i := range largeBodies {
		posts.Go(func() {
			conn, err := net.Dial("tcp", a.address)
			if err != nil {
				errs[i] = err
				return
			}
			statuses[i], errs[i] = post(conn, bufio.NewReader(conn), body)
			errs[i] = errors.Join(errs[i], conn.Close())
		})
	}
	posts.Wait()
	r := result{took: time.Since(began)}
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			r.posts++
			a.acknowledged += int64(strings.Count(body, `"name"`))
		case http.StatusServiceUnavailable:
			r.refused++
		}
	}
	var err error
	r.peak, err = a.peak()
	return r, errors.Join(append(errs, err)...)
}

// load is what to put on the agent.
type load struct {
	connections int
	bodies      []string
	period      time.Duration
	rate        float64 // metrics offered a second; 0: as many as are answered
}

// result is what came of a load.
type result struct {
	posts, refused int64 // refused with 503
	took           time.Duration
	latencies      []time.Duration // of acknowledged posts, from when they were due
	cpu            time.Duration
	peak           int64 // bytes
}

func (r result) metrics() float64 { return float64(r.posts * metricsPerPost) }

func (r result) rate() float64 { return r.metrics() / r.took.Seconds() }

func (r result) cpuPerMillion() float64 { return r.cpu.Seconds() / r.metrics() * 1e6 }

func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	slices.Sort(r.latencies)
	return r.latencies[int(q*float64(len(r.latencies)-1))]
}

// load puts a load on the agent.
func (a *target) load(l load) (result, error) {
	if err := a.resetPeak(); err != nil {
		return result{}, err
	}
	before, err := a.cpu()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	var next atomic.Int64 // post
	results, errs := make([]result, l.connections), make([]error, l.connections)
	var connections sync.WaitGroup
	for i := range l.connections {
		connections.Go(func() { results[i], errs[i] = a.send(l, began, &next) })
	}
	connections.Wait()
	sum := result{took: time.Since(began)}
	after, err := a.cpu()
	errs = append(errs, err)
	sum.cpu = after - before
	sum.peak, err = a.peak()
	errs = append(errs, err)
	for _, r := range results {
		sum.posts += r.posts
		sum.refused += r.refused
		sum.latencies = append(sum.latencies, r.latencies...)
	}
	a.acknowledged += sum.posts * metricsPerPost
	return sum, errors.Join(errs...)
}

// send posts over one connection, whichever post is the next.
func (a *target) send(l load, began time.Time, next *atomic.Int64) (r result, err error) {
	conn, err := net.Dial("tcp", a.address)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	reader := bufio.NewReader(conn)
	for {
		n := next.Add(1) - 1
		due := time.Now()
		if l.rate > 0 {
			due = began.Add(time.Duration(float64(n*metricsPerPost) / l.rate * float64(time.Second)))
			time.Sleep(time.Until(due))
		}
		if due.Sub(began) > l.period {
			return r, nil
		}
		status, err := post(conn, reader, l.bodies[n%int64(len(l.bodies))])
		if err != nil {
			return r, err
		}
		switch status {
		case http.StatusOK:
			r.posts++
			r.latencies = append(r.latencies, time.Since(due))
		case http.StatusServiceUnavailable:
			r.refused++
		default:
			return r, fmt.Errorf("a post was answered with status %d", status)
		}
	}
}

// post sends one body and returns the status of the answer.
func post(conn net.Conn, reader *bufio.Reader, body string) (status int, err error) {
	if _, err := fmt.Fprintf(conn, "POST /post?ns=load HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
