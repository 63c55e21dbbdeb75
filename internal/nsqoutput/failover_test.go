package nsqoutput_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/internal/nsqoutput"
)

// newOutputPreferring returns an Output that asks addr first.
func newOutputPreferring(t *testing.T, addr string, cfg nsqoutput.Config) *nsqoutput.Output {
	t.Helper()
	for {
		out := newOutput(t, cfg)
		if out.Servers()[0].Address == addr {
			return out
		}
	}
}

// state returns what the output knows of a server.
func state(out *nsqoutput.Output, addr string) agent.ServerDetails {
	for _, s := range out.Servers() {
		if s.Address == addr {
			return s
		}
	}
	return agent.ServerDetails{}
}

func TestWriteReachesTheOtherServerWhenTheFirstIsNoGood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	secured := nsqdtest.Start(t, nsqdtest.Options{Secret: "other"})
	tests := map[string]struct {
		addr string
		want string // in the first server's last error
	}{
		"dead":                   {deadAddress(t), "connection refused"},
		"hung":                   {serveScript(t, silent), "no answer in time"},
		"hung after IDENTIFY":    {serveScript(t, hangingAfterIdentify), "no answer in time"},
		"closing mid-publish":    {serveScript(t, closingMidPublish), "closed the connection|reset"},
		"refusing the secret":    {secured.Addr(), "AUTH: .*E_AUTH_FAILED"},
		"closing at once":        {serveScript(t, func(peer) {}), "closed the connection|reset|broken pipe"},
		"an HTTP server":         {serveScript(t, speakingHTTP), "answers in HTTP; name nsqd's TCP port"},
		"no nsqd at all":         {serveScript(t, speakingRubbish), "as no nsqd does"},
		"unable to publish":      {serveScript(t, refusing("E_PUB_FAILED PUB failed exiting")), "E_PUB_FAILED"},
		"refusing the topic":     {serveScript(t, refusing("E_BAD_TOPIC PUB topic name is not valid")), ""},
		"refusing the message":   {serveScript(t, refusing("E_BAD_MESSAGE PUB message too big")), ""},
		"refusing authorization": {serveScript(t, refusing("E_UNAUTHORIZED AUTH failed for PUB")), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			good := nsqdtest.Start(t, nsqdtest.Options{})
			out := newOutputPreferring(t, tt.addr, nsqoutput.Config{
				Servers: []string{tt.addr, good.Addr()}, Timeout: time.Second, AuthSecret: "wrong",
			})
			start := time.Now()
			require.NoError(t, out.Write(t.Context(), batch(10)))
			require.Less(t, time.Since(start), 5*time.Second)
			require.Equal(t, lines(10), good.Lines(t, "collect.ns", 10))

			first := state(out, tt.addr)
			if tt.want == "" {
				require.Equal(t, agent.ServerUp, first.State, "it works, it only does not want this batch")
				return
			}
			require.NotEqual(t, agent.ServerUp, first.State)
			require.Regexp(t, tt.want, first.LastError)
			require.WithinDuration(t, time.Now(), first.Since, 10*time.Second)

			start = time.Now()
			require.NoError(t, out.Write(t.Context(), batch(10)))
			require.Less(t, time.Since(start), 900*time.Millisecond, "it is left alone meanwhile")
		})
	}
}

func TestWriteReachesTheOneGoodServerAmongManyHungWithinItsTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	good := nsqdtest.Start(t, nsqdtest.Options{})
	servers := []string{good.Addr()}
	for range 5 {
		servers = append(servers, serveScript(t, hangingAfterIdentify))
	}
	out := newOutputPreferring(t, servers[1], nsqoutput.Config{Servers: servers})

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.NoError(t, out.Write(ctx, batch(1)), "a Timeout of 5 s leaves the last server its share of 2 s")
	require.Equal(t, lines(1), good.Lines(t, "collect.ns", 1))
}

func TestWriteNamesEveryServerQuicklyWhenAllAreDown(t *testing.T) {
	first, second := deadAddress(t), deadAddress(t)
	out := newOutput(t, nsqoutput.Config{Servers: []string{first, second}})
	for range 3 {
		start := time.Now()
		err := out.Write(t.Context(), batch(1))
		require.ErrorContains(t, err, "nsqd "+first+": ")
		require.ErrorContains(t, err, "nsqd "+second+": ")
		require.ErrorContains(t, err, "connection refused")
		require.NotErrorAs(t, err, new(*agent.PermanentError))
		require.Less(t, time.Since(start), time.Second)
	}
}

func TestWriteSucceedsSoonAfterTheServerIsBack(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	server := nsqdtest.Start(t, nsqdtest.Options{})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}})
	require.NoError(t, out.Write(t.Context(), batch(1)))
	server.Stop()
	require.Eventually(t, func() bool {
		return out.Write(t.Context(), batch(1)) != nil && time.Since(state(out, server.Addr()).Since) > 1500*time.Millisecond
	}, 5*time.Second, 20*time.Millisecond)

	require.NoError(t, server.Restart())
	require.Eventually(t, func() bool { return out.Write(t.Context(), batch(1)) == nil }, 2*time.Second, 20*time.Millisecond)
	require.Equal(t, agent.ServerUp, state(out, server.Addr()).State)
}

func TestWriteDoesNotMindThatAServerWasRestarted(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}})
	for range 3 {
		require.NoError(t, out.Write(t.Context(), batch(1)))
		require.NoError(t, server.Restart())
	}
	require.NoError(t, out.Write(t.Context(), batch(1)))
	require.Empty(t, state(out, server.Addr()).LastError)
}

func TestWriteGoesBackToThePreferredServerOnceItAnswersAgain(t *testing.T) {
	preferred, other := nsqdtest.Start(t, nsqdtest.Options{}), nsqdtest.Start(t, nsqdtest.Options{})
	out := newOutputPreferring(t, preferred.Addr(), nsqoutput.Config{
		Servers: []string{preferred.Addr(), other.Addr()}, Timeout: 400 * time.Millisecond,
	})
	require.NoError(t, out.Write(t.Context(), batch(1)))
	require.EqualValues(t, 1, preferred.Published("collect.ns"))

	preferred.Freeze()
	slow := 0
	for range 100 {
		start := time.Now()
		require.NoError(t, out.Write(t.Context(), batch(1)))
		if time.Since(start) > 200*time.Millisecond {
			slow++
		}
	}
	require.EqualValues(t, 100, other.Published("collect.ns"))
	require.Equal(t, 1, slow, "only the first batch has waited for the frozen server")

	preferred.Thaw()
	before := preferred.Published("collect.ns")
	require.Eventually(t, func() bool {
		require.NoError(t, out.Write(t.Context(), batch(1)))
		return preferred.Published("collect.ns") > before+1
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, agent.ServerUp, state(out, preferred.Addr()).State)
}

func TestOneServerGetsNoMoreThanEightRequestsAtOnce(t *testing.T) {
	const writers, limit = 20, 8
	waiting, release := make(chan struct{}, writers), make(chan struct{})
	addr := serveScript(t, func(p peer) {
		if !p.identify() {
			return
		}
		for {
			if _, ok := p.request(); !ok {
				return
			}
			waiting <- struct{}{}
			<-release
			p.answer(0, "OK")
		}
	})
	out := newOutput(t, nsqoutput.Config{Servers: []string{addr}, Timeout: 30 * time.Second})
	var writes sync.WaitGroup
	defer writes.Wait()
	defer close(release)
	for range writers {
		writes.Go(func() { require.NoError(t, out.Write(t.Context(), batch(1))) })
	}
	for done := range writers {
		<-waiting
		if done >= limit-1 {
			require.Empty(t, waiting, "as many as may be are under way")
			release <- struct{}{}
		}
	}
}

func TestWriteReturnsWhenItsContextEndsAndBlamesNoServer(t *testing.T) {
	received := make(chan struct{}, 10)
	addr := serveScript(t, func(p peer) {
		p.identify()
		p.request()
		received <- struct{}{}
		p.hang()
	})
	out := newOutput(t, nsqoutput.Config{Servers: []string{addr}})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- out.Write(ctx, batch(1)) }()
	<-received
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	require.NotEqual(t, agent.ServerDown, state(out, addr).State)
}

func TestWriteIsNotFooledByAnAnswerNobodyAskedFor(t *testing.T) {
	addr := serveScript(t, func(p peer) {
		if !p.identify() {
			return
		}
		p.request()
		ok := "\x00\x00\x00\x06\x00\x00\x00\x00OK"
		_, _ = io.WriteString(p, ok+ok)
		if _, again := p.request(); again {
			t.Error("the connection was used again, its second answer would have been believed")
		}
	})
	out := newOutput(t, nsqoutput.Config{Servers: []string{addr}})
	for range 3 {
		require.NoError(t, out.Write(t.Context(), batch(1)))
	}
}

func TestCloseInterruptsALookAtAHungServer(t *testing.T) {
	hung, good := serveScript(t, silent), nsqdtest.Start(t, nsqdtest.Options{})
	out := newOutputPreferring(t, hung, nsqoutput.Config{Servers: []string{hung, good.Addr()}, Timeout: 200 * time.Millisecond})
	require.NoError(t, out.Write(t.Context(), batch(1)))
	require.Eventually(t, func() bool { // until the server is being looked at
		require.NoError(t, out.Write(t.Context(), batch(1)))
		return time.Since(state(out, hung).Since) > 150*time.Millisecond
	}, 10*time.Second, 10*time.Millisecond)

	start := time.Now()
	require.NoError(t, out.Close(t.Context()))
	require.NoError(t, out.Close(t.Context()))
	require.Less(t, time.Since(start), 100*time.Millisecond)
	require.ErrorContains(t, out.Write(t.Context(), batch(1)), "closed")
}

func TestConcurrentWritesLoseNothingWhileServersComeAndGo(t *testing.T) {
	servers := []*nsqdtest.Server{nsqdtest.Start(t, nsqdtest.Options{}), nsqdtest.Start(t, nsqdtest.Options{})}
	out := newOutput(t, nsqoutput.Config{Servers: []string{servers[0].Addr(), servers[1].Addr()}})

	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var mu sync.Mutex // owns written
	written := map[string]bool{}
	for worker := range 8 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				m := agent.Metric{Name: "m", Timestamp: int64(worker*1e6 + n), Value: 1.0}
				if out.Write(ctx, agent.Batch{Namespace: "ns", Metrics: []agent.Metric{m}}) == nil {
					mu.Lock()
					written[fmt.Sprintf("m value=1 %d\n", m.Timestamp)] = true
					mu.Unlock()
				}
			}
		})
	}
	for i := range 10 {
		require.NoError(t, servers[i%2].Restart())
		require.Eventually(t, func() bool { return out.Write(t.Context(), batch(1)) == nil }, 10*time.Second, time.Millisecond)
	}
	cancel()
	writers.Wait()
	require.Greater(t, len(written), 10)

	var messages [2]<-chan []byte
	for i, s := range servers {
		c, err := s.Consume("collect.ns", "all")
		require.NoError(t, err)
		defer c.Close()
		messages[i] = c.Messages
	}
	timeout := time.After(20 * time.Second)
	for len(written) > 0 {
		select {
		case m := <-messages[0]:
			delete(written, string(m))
		case m := <-messages[1]:
			delete(written, string(m))
		case <-timeout:
			require.Empty(t, written, "what was acknowledged has arrived")
		}
	}
}
