package statsd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	datadog "github.com/DataDog/datadog-go/v5/statsd"
	etsy "github.com/cactus/go-statsd-client/v5/statsd"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// receiver is an agent that keeps what it gets.
type receiver struct {
	own []string

	mu     sync.Mutex
	got    map[string]float64 // by NAME and tags
	posts  int
	refuse func(post int) error // nil: it takes all
}

func (r *receiver) Namespaces() []string { return r.own }

func (r *receiver) Post(_ context.Context, namespace string, metrics []agent.Metric) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts++
	if r.refuse != nil {
		if err := r.refuse(r.posts); err != nil {
			return err
		}
	}
	if r.got == nil {
		r.got = make(map[string]float64)
	}
	for _, m := range metrics {
		text := texts([]agent.Metric{m})[0]
		name, _, _ := strings.Cut(text, " ")
		r.got[namespace+" "+name] += m.Value.(float64)
	}
	return nil
}

// serve starts a server that flushes only when it is stopped.
func serve(t *testing.T, to *receiver, address string) (*Server, *Socket) {
	t.Helper()
	socket, err := Listen(address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, socket.Close()) })
	return Start(socket, Config{Agent: func() Agent { return to }, Interval: time.Hour, Logger: slog.New(slog.DiscardHandler)}), socket
}

// stop stops a server, which has two seconds for it.
func stop(t *testing.T, s *Server) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return s.Stop(ctx)
}

func TestClientOfDatadogIsUnderstood(t *testing.T) {
	for name, address := range map[string]string{"udp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "statsd.sock")} {
		t.Run(name, func(t *testing.T) {
			to := &receiver{own: []string{"web"}}
			server, socket := serve(t, to, address)
			target := socket.Address()
			if name == "unix" {
				target = "unixgram://" + target
			}
			client, err := datadog.New(target, datadog.WithoutTelemetry(), datadog.WithExtendedClientSideAggregation(), datadog.WithTags([]string{"env:test"}))
			require.NoError(t, err)
			for i := range 100 {
				require.NoError(t, client.Incr("jobs", []string{"queue:mail"}, 1))
				require.NoError(t, client.Timing("latency", time.Duration(i+1)*time.Millisecond, nil, 1))
			}
			require.NoError(t, client.Gauge("depth", 12.5, nil, 1))
			require.NoError(t, client.Set("users", "a", nil, 1))
			require.NoError(t, client.Set("users", "b", nil, 1))
			require.NoError(t, client.Distribution("size", 7, nil, 1))
			require.NoError(t, client.Histogram("height", 3, nil, 1))
			require.NoError(t, client.SimpleEvent("deployed", "text"))
			require.NoError(t, client.Close())
			require.NoError(t, stop(t, server))

			for name, want := range map[string]float64{
				"jobs.count": 100, "depth": 12.5, "users.count": 2, "size.max": 7, "height.mean": 3,
				"latency.count": 100, "latency.mean": 50.5, "latency.max": 100,
			} {
				var found []float64
				for series, value := range to.got {
					if strings.HasPrefix(series, "web "+name+",") {
						require.Contains(t, series, "env=test")
						found = append(found, value)
					}
				}
				require.Equal(t, []float64{want}, found, name)
			}
			status := server.Status()
			require.Zero(t, status.BadLines, status.Problems)
			require.EqualValues(t, 1, status.UnsupportedLines)
			require.Zero(t, status.PointsLost)
		})
	}
}

func TestClientOfTheEtsyProtocolIsUnderstood(t *testing.T) {
	for name, form := range map[string]etsy.TagFormat{"dogstatsd": etsy.SuffixOctothorpe, "influx": etsy.InfixComma} {
		t.Run(name, func(t *testing.T) {
			to := &receiver{own: []string{"web"}}
			server, socket := serve(t, to, "127.0.0.1:0")
			client, err := etsy.NewClientWithConfig(&etsy.ClientConfig{Address: socket.Address(), Prefix: "shop", UseBuffered: true, TagFormat: form})
			require.NoError(t, err)
			tag := etsy.Tag{"dc", "fra"}
			require.NoError(t, client.Inc("orders", 3, 1, tag))
			require.NoError(t, client.Dec("orders", 1, 1, tag))
			require.NoError(t, client.Gauge("stock", 10, 1, tag))
			require.NoError(t, client.GaugeDelta("stock", -4, 1, tag))
			require.NoError(t, client.Timing("page", 20, 1, tag))
			require.NoError(t, client.Set("cart", "x", 1, tag))
			require.NoError(t, client.Close())
			require.NoError(t, stop(t, server))
			require.Zero(t, server.Status().BadLines, server.Status().Problems)
			for name, want := range map[string]float64{"orders.count": 2, "stock": 6, "page.max": 20, "page.count": 1, "cart.count": 1} {
				require.Equal(t, want, to.got["web shop."+name+",dc=fra"], "%s of %v", name, to.got)
			}
		})
	}
}

// send sends packets to a socket.
func send(t *testing.T, to *Socket, packets ...string) {
	t.Helper()
	network := "udp"
	if to.path != "" {
		network = "unixgram"
	}
	conn, err := net.Dial(network, to.Address())
	require.NoError(t, err)
	defer conn.Close()
	for _, packet := range packets {
		_, err := conn.Write([]byte(packet))
		require.NoError(t, err)
	}
}

func TestMetricsAreSentAgainUntilTheyAreSafe(t *testing.T) {
	to := &receiver{own: []string{"web"}, refuse: func(post int) error {
		if post == 1 {
			return errors.New("the output is down")
		}
		return nil
	}}
	server, socket := serve(t, to, "127.0.0.1:0")
	send(t, socket, "a:1|g")
	require.NoError(t, stop(t, server))
	require.Equal(t, map[string]float64{"web a": 1}, to.got)
	require.EqualValues(t, 1, server.Status().Points)
	require.Empty(t, server.Status().Problems)
}

func TestStopSaysWhatIsLost(t *testing.T) {
	to := &receiver{own: []string{"web"}, refuse: func(int) error { return errors.New("the output is down") }}
	server, socket := serve(t, to, "127.0.0.1:0")
	send(t, socket, "a:1|g\nb:1|c")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.EqualError(t, server.Stop(ctx), "stop statsd: what it has gathered is lost: send the points of statsd: the output is down")
	require.EqualValues(t, 3, server.Status().PointsLost)
}

func TestMetricsThatAreRefusedForGoodAreCounted(t *testing.T) {
	to := &receiver{own: []string{"web"}, refuse: func(int) error { return &agent.PermanentError{Reason: "bad_point", Err: errors.New("no")} }}
	server, socket := serve(t, to, "127.0.0.1:0")
	send(t, socket, "a:1|g")
	require.NoError(t, stop(t, server))
	status := server.Status()
	require.EqualValues(t, 1, status.PointsLost)
	require.Len(t, status.Problems, 1)
	require.Contains(t, status.Problems[0], "points were refused for good (1): ")
}

func TestMetricsWaitForANamespace(t *testing.T) {
	for name, test := range map[string]struct {
		own  []string
		want string
	}{
		"none":    {nil, "no namespace of this host is known yet"},
		"several": {[]string{"web", "db"}, "this host has several namespaces (web, db); name one of them in statsd.namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			to := &receiver{own: test.own}
			server, socket := serve(t, to, "127.0.0.1:0")
			send(t, socket, "a:1|c")
			require.Eventually(t, func() bool { return server.Status().Samples == 1 }, 5*time.Second, time.Millisecond)
			require.ErrorContains(t, server.flush(t.Context()), test.want)
			require.Contains(t, server.Status().Problems[0], test.want)
			to.own = []string{"web"}
			require.NoError(t, stop(t, server))
			require.Equal(t, 1.0, to.got["web a.count"])
			require.Empty(t, server.Status().Problems)
			require.Equal(t, "web", server.Status().Namespace)
		})
	}
}

func TestServerWithoutSamplesNeedsNoNamespace(t *testing.T) {
	server, _ := serve(t, &receiver{}, "127.0.0.1:0")
	require.NoError(t, server.flush(t.Context()))
	require.Empty(t, server.Status().Problems)
	require.NoError(t, stop(t, server))
}

func TestSocketCanBePassedOn(t *testing.T) {
	to := &receiver{own: []string{"web"}}
	first, socket := serve(t, to, "127.0.0.1:0")
	send(t, socket, "a:1|c")
	require.NoError(t, stop(t, first))
	send(t, socket, "a:2|c") // nobody reads now
	second := Start(socket, first.config)
	require.NoError(t, stop(t, second))
	require.Equal(t, 3.0, to.got["web a.count"])
}

func TestWhatTheKernelDropsIsCounted(t *testing.T) {
	socket, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer socket.Close()
	require.NoError(t, socket.conn.(*net.UDPConn).SetReadBuffer(4096))
	packets := make([]string, 1000)
	for i := range packets {
		packets[i] = "a:1|c"
	}
	send(t, socket, packets...) // nobody reads
	to := &receiver{own: []string{"web"}}
	server := Start(socket, Config{Agent: func() Agent { return to }, Interval: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, stop(t, server))
	status := server.Status()
	require.EqualValues(t, 1000, status.Packets+status.PacketsDropped)
	require.Positive(t, status.PacketsDropped)
	require.Equal(t, float64(status.Packets), to.got["web a.count"])
	require.Contains(t, status.Problems[0], "the kernel dropped")
}

func TestProblemIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	to := &receiver{own: []string{"web"}}
	socket, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer socket.Close()
	server := Start(socket, Config{Agent: func() Agent { return to }, Interval: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 2 {
		send(t, socket, "rubbish")
		require.Eventually(t, func() bool { return server.Status().BadLines == int64(i+1) }, 5*time.Second, time.Millisecond)
		require.NoError(t, server.flush(t.Context()))
	}
	require.Contains(t, server.Status().Problems[0], `bad lines came (1), the first one "rubbish": it has no value`)
	require.NoError(t, server.flush(t.Context()))
	require.Empty(t, server.Status().Problems)
	require.NoError(t, stop(t, server))
	require.Equal(t, 1, strings.Count(log.String(), "rubbish"))
}

func TestAddressesAreCheckedAndTaken(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8125":               "",
		":8125":                        "",
		"/run/statsd.sock":             "",
		"127.0.0.1":                    `"127.0.0.1" is not an address; write HOST:PORT, such as "127.0.0.1:8125", or the absolute path of a unix socket`,
		"statsd.sock":                  `or the absolute path of a unix socket`,
		"/" + strings.Repeat("x", 107): "a path of 108 bytes is too long for a socket; the limit is 107",
	} {
		err := CheckListen(address)
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
	socket, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer socket.Close()
	_, err = Listen(socket.Address())
	require.ErrorContains(t, err, "another program listens on "+socket.Address()+" already")
}

func TestUnixSocketReplacesOnlyWhatNobodyUses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "statsd.sock")
	socket, err := Listen(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o666), info.Mode().Perm(), "everybody may send")
	_, err = Listen(path)
	require.ErrorContains(t, err, "another program listens on "+path+" already")

	require.NoError(t, socket.conn.Close()) // as if the agent was killed: the file stays
	require.FileExists(t, path)
	socket, err = Listen(path)
	require.NoError(t, err)
	require.NoError(t, socket.Close())
	require.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = Listen(path)
	require.ErrorContains(t, err, path+" exists already and is not a socket")
}
