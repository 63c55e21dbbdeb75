package stock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/addresstest"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/stock"
)

// Posts go on during reloads: none is refused, and all arrive. The first config restarts
// the agent in its process; each of the others makes another server of the HTTP API, or
// changes what it does, while the agent runs on.
func TestNoPostIsRefusedOrLostDuringReloads(t *testing.T) {
	for name, test := range map[string]struct {
		config   func(h *host, i int) string
		restarts int
	}{
		"that restart the agent": {func(_ *host, i int) string { return fmt.Sprintf("agent.branch = \"b%d\"\n", i) }, reloads},
		"that change the API": {func(h *host, i int) string {
			return []string{
				fmt.Sprintf("api.maxconnections = %d\n", 100+i), fmt.Sprintf("api.maxbody = \"%dMiB\"\n", 1+i),
				fmt.Sprintf("tags.n = \"%d\"\n", i), fmt.Sprintf("api.socket = %q\n", filepath.Join(h.dir, fmt.Sprint("s", i))),
			}[i%4]
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.postDuringReloads(t, func(i int) string { return test.config(h, i) })
			require.Equal(t, test.restarts, h.restarts(t))
		})
	}
}

// reloads is how many there are while posts go on.
const reloads = 20

// postDuringReloads posts while one config after the other is put in force.
func (h *host) postDuringReloads(t *testing.T, config func(i int) string) {
	t.Helper()
	service := h.run(t)
	var posts sync.WaitGroup
	stop := make(chan struct{})
	posters := []*poster{{name: "fresh", fresh: true}, {name: "kept"}}
	for _, p := range posters {
		posts.Go(func() { p.post(t, h.listen, stop) })
	}
	for i := range reloads {
		h.configure(t, config(i))
		before := posters[0].posted.Load()
		require.NoError(t, service.Reload(t.Context()))
		require.Eventually(t, func() bool { return posters[0].posted.Load() > before || t.Failed() }, 5*time.Second, time.Millisecond)
	}
	close(stop)
	posts.Wait()
	accepted := 0
	for _, p := range posters {
		require.Positive(t, p.posted.Load(), p.name)
		accepted += int(p.posted.Load())
	}
	names := make(map[string]bool)
	for _, line := range h.nsqd.Lines(t, "collect.posted", accepted) {
		name, _, _ := strings.Cut(line, ",")
		names[name] = true
	}
	require.Len(t, names, accepted)
}

// restarts returns how often the agent was made anew in the process.
func (h *host) restarts(t *testing.T) int {
	t.Helper()
	return strings.Count(h.log(t), `msg="the agent runs"`) - 1
}

// poster posts one metric after the other.
type poster struct {
	name   string
	fresh  bool // each post has a connection of its own
	posted atomic.Int64
}

// post goes on until stop is closed. Every post must be answered with 200.
func (p *poster) post(t *testing.T, address string, stop <-chan struct{}) {
	transport := &http.Transport{DisableKeepAlives: p.fresh}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for {
		select {
		case <-stop:
			return
		default:
		}
		n := p.posted.Load()
		body := fmt.Sprintf(`[{"name":"%s%d","value":1}]`, p.name, n)
		response, err := client.Post("http://"+address+"/post?ns=posted", "", strings.NewReader(body))
		if err != nil {
			t.Errorf("post %s %d: %v", p.name, n, err)
			return
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("post %s %d: %s", p.name, n, response.Status)
			return
		}
		p.posted.Add(1)
	}
}

func TestAWrongConfigLeavesTheRunningOneInForce(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.configure(t, "output.format = \"xml\"\n")
	err := service.Reload(t.Context())
	require.ErrorContains(t, err, `output.format: "xml" is not a format`)
	require.JSONEq(t, `["web.shop"]`, h.get(t, "/me/ns"))
	require.Contains(t, h.log(t), "the config is not reloaded")
}

func TestAnAddressInUseLeavesTheRunningConfigInForce(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	was := h.listen
	h.listen = other.Addr().String()
	h.configure(t, "")
	require.ErrorContains(t, service.Reload(t.Context()), "another program listens on "+h.listen)
	h.listen = was
	require.JSONEq(t, `["web.shop"]`, h.get(t, "/me/ns"))
}

func TestAReloadMovesTheAPIToAnotherAddress(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	was := h.listen
	h.listen = addresstest.Free(t)
	h.configure(t, "")
	require.NoError(t, service.Reload(t.Context()))
	h.waitUntilReady(t)
	_, err := net.Dial("tcp", was)
	require.Error(t, err)
}

func TestWarningsOfTheConfigAreLoggedAtAReload(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.configure(t, "agent.branch = \"b\"\n[trace]\n")
	require.NoError(t, service.Reload(t.Context()))
	log, err := os.ReadFile(filepath.Join(h.dir, "log", "agent.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "the section trace is")
}

func TestALevelChangesWithoutDisturbingTheAgent(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.configure(t, "log.loglevel = \"DEBUG\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Equal(t, 1, strings.Count(h.log(t), "the HTTP API is served"))
	h.configure(t, "log.loglevel = \"DEBUG\"\nagent.branch = \"b\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Equal(t, 2, strings.Count(h.log(t), "the HTTP API is served"))
}

func TestAReloadIsNoRestart(t *testing.T) {
	h := newHost(t)
	before := time.Now()
	service := h.run(t)
	after := time.Now()
	started := func() (status agent.Status, metric string) {
		_, metric, _ = strings.Cut(h.get(t, "/metrics"), "\nlodastack_agent_start_time_seconds ")
		metric, _, _ = strings.Cut(metric, "\n")
		return h.status(t), metric
	}
	first, metric := started()
	require.WithinRange(t, first.Started, before, after)
	h.configure(t, "agent.branch = \"b\"\n")
	require.NoError(t, service.Reload(t.Context()))
	reloaded, reloadedMetric := started()
	require.Equal(t, 2, strings.Count(h.log(t), "the HTTP API is served"))
	require.Equal(t, first.Started, reloaded.Started)
	require.Greater(t, reloaded.Uptime, first.Uptime)
	require.NotEmpty(t, metric)
	require.Equal(t, metric, reloadedMetric)
}

func TestTheAccountsGoOnAfterAReload(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.post(t)
	require.NoError(t, service.Reload(t.Context()))
	require.Equal(t, agent.Account{Accepted: 1, Delivered: 1}, h.status(t).Accounts["posted"])
}

func TestAnAgentThatRunsKeepsItsPIDFile(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.write(t, "agent.conf", strings.Replace(h.read(t, "agent.conf"), "agent.pid\"", "other.pid\"", 1))
	require.ErrorContains(t, service.Reload(t.Context()), "agent.pidfile: an agent that runs does not move")
	require.Contains(t, h.log(t), "the config is not reloaded")
	require.JSONEq(t, `["web.shop"]`, h.get(t, "/me/ns"))
}

func TestPartsOfOnesOwnSurviveAReload(t *testing.T) {
	h := newHost(t)
	own := newOwnParts()
	service, err := stock.NewService(h.config, append(own.options(), queue())...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	for n := range 3 {
		own.output.WaitForNamed(t, "queue.depth", n+1) // one in each agent
		require.False(t, own.output.Closed())
		h.configure(t, fmt.Sprintf("agent.branch = \"b%d\"\n", n))
		require.NoError(t, service.Reload(t.Context()))
	}
	own.output.WaitForNamed(t, "queue.depth", 4)
	cancel()
	require.NoError(t, <-done)
	require.True(t, own.output.Closed())
	require.True(t, own.store.Closed())
	require.Empty(t, own.output.Violations())
	require.Empty(t, own.store.Violations())
	require.Empty(t, own.runner.Violations())
}

// A service's wrapper around a part must not hide the part's abilities.
func TestRunnerOfOnesOwnCanDoAllThatItCould(t *testing.T) {
	h := newHost(t)
	own := newOwnParts()
	plugin := agent.Plugin{Name: "PLUGIN.p", Repo: "org/p"}
	own.registry.Assign(agent.Assignment{Namespace: "own", Plugins: []agent.Plugin{plugin}})
	own.runner.Publish("org/p", agenttest.Program{})
	h.run(t, own.options()...)
	own.runner.WaitForInstalls(t, 1)
	require.Contains(t, h.get(t, "/plugins/rollback?ns=own&repo=org/p"), "earlier version")
	own.runner.Publish("org/p", agenttest.Program{Print: "[]"})
	h.get(t, "/plugins/update?ns=own&repo=org/p")
	h.get(t, "/plugins/rollback?ns=own&repo=org/p")
	require.Contains(t, h.get(t, "/plugins/list"), `"by":"rollback"`)
	require.Len(t, own.runner.Rollbacks(), 1)
	own.registry.Assign(agent.Assignment{Namespace: "own"})
	h.get(t, "/update")
	require.Eventually(t, func() bool { return len(own.runner.Removals()) == 1 }, 5*time.Second, time.Millisecond)
}

// unclosable is an output that panics when it is closed.
type unclosable struct{ agent.Output }

func (unclosable) Close(context.Context) error { panic("ouch") }

func TestPanicInTheCloseOfAPartOfOnesOwnIsTheErrorOfRun(t *testing.T) {
	h := newHost(t)
	service, err := stock.NewService(h.config, agent.WithOutput(unclosable{agenttest.NewOutput()}))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, service.Run(ctx), "panic: ouch")
}

func TestPointsInAStoreOfOnesOwnSurviveAReload(t *testing.T) {
	h := newHost(t)
	own := newOwnParts()
	own.output.Fail(errors.New("away"))
	service := h.run(t, agent.WithOutput(own.output), agent.WithStore(own.store))
	h.post(t)
	for n := range 2 {
		h.configure(t, fmt.Sprintf("agent.branch = \"b%d\"\n", n))
		require.NoError(t, service.Reload(t.Context()))
		require.Equal(t, agent.Account{Accepted: 1, Waiting: 1}, h.status(t).Accounts["posted"])
	}
	own.output.Heal()
	own.output.WaitForNamed(t, "RUN.x", 1)
	require.Eventually(t, func() bool { return h.status(t).Accounts["posted"].Delivered == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, agent.Account{Accepted: 1, Delivered: 1}, h.status(t).Accounts["posted"])
}

// stuckStore does not return from Waiting.
type stuckStore struct {
	agent.Store
	forever chan struct{}
}

func (s stuckStore) Waiting() map[string]int64 { <-s.forever; return nil }

func TestReloadWhileAStoreOfOnesOwnHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	store := stuckStore{agenttest.NewStore(), make(chan struct{})}
	defer close(store.forever)
	service := h.run(t, agent.WithStore(store))
	h.configure(t, "agent.branch = \"b\"\n")
	require.NoError(t, service.Reload(t.Context()))
	h.waitUntilReady(t)
	require.Contains(t, h.get(t, "/me/status"), "the store is not used until the next start")
}

// Plugins and collectors continue, and no point is lost, when only the output changes.
func TestOtherServersAreTakenWithoutDisturbingTheAgent(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.post(t)
	h.nsqd.Lines(t, "collect.posted", 1)
	h.nsqd = nsqdtest.Start(t, nsqdtest.Options{})
	h.configure(t, "output.topicprefix = \"other.\"\n")
	require.NoError(t, service.Reload(t.Context()))
	h.post(t)
	h.nsqd.Lines(t, "other.posted", 1)
	require.Equal(t, 1, strings.Count(h.log(t), "the HTTP API is served"))
	require.Equal(t, h.nsqd.Addr(), h.status(t).Output.Servers[0].Address)
	require.Equal(t, agent.Account{Accepted: 2, Delivered: 2}, h.status(t).Accounts["posted"])

	h.configure(t, "agent.branch = \"b\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Equal(t, 2, strings.Count(h.log(t), "the HTTP API is served"))
}
