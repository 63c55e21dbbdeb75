package stock_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/stock"
)

// Nothing is left running when the tests, and their agents, have ended, but for
// the plugin runner of what Load returns: only Open lets it be closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/lodastack/agent/internal/cell.(*spawner).serve"))
}

// host is a place for an agent: directories, a registry file with one
// namespace, and a config file.
type host struct {
	dir, config, listen string
	nsqd                *nsqdtest.Server
}

func newHost(t *testing.T) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{
		dir:    dir,
		config: filepath.Join(dir, "agent.conf"),
		listen: freeAddress(t),
		nsqd:   nsqdtest.Start(t, nsqdtest.Options{}),
	}
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n")
	h.configure(t, "")
	return h
}

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func (h *host) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(h.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// configure writes the config file; more is appended to it.
func (h *host) configure(t *testing.T, more string) {
	t.Helper()
	h.write(t, "agent.conf", fmt.Sprintf(`
agent.listen = %q
agent.registryaddr = "file://%s/registry.toml"
agent.pluginsdir = "%s/plugins"
agent.pidfile = "%s/agent.pid"
agent.hostname = "h1"
output.servers = [ %q ]
log.logdir = "%s/log"
api.namespaces = [ "posted" ]
`, h.listen, h.dir, h.dir, h.dir, h.nsqd.Addr(), h.dir)+more)
}

func (h *host) log(t *testing.T) string {
	t.Helper()
	return h.read(t, filepath.Join("log", "agent.log"))
}

func (h *host) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(h.dir, name))
	require.NoError(t, err)
	return string(content)
}

// run runs a service of the host's config until the test ends. It returns when
// the namespaces are known.
func (h *host) run(t *testing.T, more ...agent.Option) *stock.Service {
	t.Helper()
	service, err := stock.NewService(h.config, more...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	h.waitUntilReady(t)
	return service
}

func (h *host) waitUntilReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(h.get(t, "/readyz"), "ready\"") }, 5*time.Second, 5*time.Millisecond)
}

func (h *host) get(t *testing.T, path string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + h.listen + path)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

func TestLoadedOptionsWithACollectorOfOnesOwnMakeAnAgent(t *testing.T) {
	h := newHost(t)
	options, err := stock.Load(h.config)
	require.NoError(t, err)
	options = append(options, agent.WithCollector("QUEUE", 10*time.Second, agent.CollectorFunc(
		func(context.Context) ([]agent.Metric, error) {
			return []agent.Metric{{Name: "queue.depth", Value: 7}}, nil
		})))
	a, err := agent.New(options...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()

	consumer, err := h.nsqd.Consume("collect.web.shop", "test")
	require.NoError(t, err)
	defer consumer.Close()
	wanted := []string{"queue.depth,host=h1 value=7 ", "cpu.idle,host=h1 value="}
	for len(wanted) > 0 {
		select {
		case message := <-consumer.Messages:
			wanted = slices.DeleteFunc(wanted, func(point string) bool { return strings.Contains(string(message), point) })
		case <-time.After(5 * time.Second):
			t.Fatalf("missing: %q", wanted)
		}
	}
	cancel()
	require.NoError(t, <-done)
}

func TestLoadNamesWhatIsWrongWithTheFile(t *testing.T) {
	_, err := stock.Load("testdata/wrong/missing.toml")
	require.ErrorContains(t, err, "missing.toml:2: agent.registryaddr: missing")
}

func TestRunServesTheAPIUntilItsEnd(t *testing.T) {
	h := newHost(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- stock.Run(ctx, h.config) }()
	h.nsqd.Lines(t, "collect.web.shop", 1)
	require.JSONEq(t, `["web.shop"]`, h.get(t, "/me/ns"))
	cancel()
	require.NoError(t, <-done)
	_, err := net.Dial("tcp", h.listen)
	require.Error(t, err)
}

// Posts go on during reloads: none meets a closed door, and all arrive.
func TestNoPostIsRefusedOrLostDuringReloads(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	var posts sync.WaitGroup
	stop := make(chan struct{})
	posters := []*poster{{name: "fresh", fresh: true}, {name: "kept"}}
	for _, p := range posters {
		posts.Go(func() { p.post(t, h.listen, stop) })
	}
	for i := range 20 {
		h.configure(t, fmt.Sprintf("output.buffersize = %d\n", 2000+i))
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
	require.ErrorContains(t, err, `output.format: "xml" is no format`)
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
	h.listen = freeAddress(t)
	h.configure(t, "")
	require.NoError(t, service.Reload(t.Context()))
	h.waitUntilReady(t)
	_, err := net.Dial("tcp", was)
	require.Error(t, err)
}

func TestALevelChangesWithoutDisturbingTheAgent(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	started := func() time.Time {
		var s agent.Status
		require.NoError(t, json.Unmarshal([]byte(h.get(t, "/me/status")), &s))
		return s.Started
	}
	before := started()
	h.configure(t, "log.loglevel = \"DEBUG\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Equal(t, before, started())
	h.configure(t, "log.loglevel = \"DEBUG\"\noutput.buffersize = 5\n")
	require.NoError(t, service.Reload(t.Context()))
	require.NotEqual(t, before, started())
}

func TestTheAccountsGoOnAfterAReload(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Post("http://"+h.listen+"/post?ns=posted", "", strings.NewReader(`[{"name":"x","value":1}]`))
	require.NoError(t, err)
	response.Body.Close()
	require.NoError(t, service.Reload(t.Context()))
	var s agent.Status
	require.NoError(t, json.Unmarshal([]byte(h.get(t, "/me/status")), &s))
	require.Equal(t, agent.Account{Accepted: 1, Delivered: 1}, s.Accounts["posted"])
}

func TestAnAddressInUseIsSaidAtTheStart(t *testing.T) {
	h := newHost(t)
	other, err := net.Listen("tcp", h.listen)
	require.NoError(t, err)
	defer other.Close()
	_, err = stock.NewService(h.config)
	require.EqualError(t, err, "agent.listen: another program listens on "+h.listen+" already; stop it, or name another address")
}

func TestTheSocketIsForItsOwnerAndGoesWithTheAgent(t *testing.T) {
	h := newHost(t)
	socket := filepath.Join(h.dir, "agent.sock")
	h.configure(t, fmt.Sprintf("api.socket = %q\n", socket))
	require.NoError(t, os.WriteFile(socket+".other", nil, 0o600))
	stale, err := net.Listen("unix", socket)
	require.NoError(t, err)
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, stale.Close())

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	service, err := stock.NewService(h.config)
	require.NoError(t, err)
	go func() { done <- service.Run(ctx) }()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	for range 2 {
		require.Eventually(t, func() bool {
			response, err := client.Post("http://localhost/update", "", nil)
			require.NoError(t, err)
			response.Body.Close()
			return response.StatusCode == http.StatusOK // 503 until it runs
		}, 5*time.Second, 10*time.Millisecond)
		require.NoError(t, service.Reload(t.Context()))
		client.CloseIdleConnections()
	}
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	cancel()
	require.NoError(t, <-done)
	require.NoFileExists(t, socket)
}

func TestASocketIsNotTakenFromAnotherProgram(t *testing.T) {
	h := newHost(t)
	file := h.write(t, "agent.sock", "no socket")
	h.configure(t, fmt.Sprintf("api.socket = %q\n", file))
	_, err := stock.NewService(h.config)
	require.ErrorContains(t, err, "is there already and no socket")
	require.FileExists(t, file)

	require.NoError(t, os.Remove(file))
	other, err := net.Listen("unix", file)
	require.NoError(t, err)
	defer other.Close()
	_, err = stock.NewService(h.config)
	require.ErrorContains(t, err, "another program listens on "+file)
}

func TestOneWarningSaysWhatIsOpenToOtherHosts(t *testing.T) {
	h := newHost(t)
	_, port, err := net.SplitHostPort(h.listen)
	require.NoError(t, err)
	h.listen = "0.0.0.0:" + port
	h.configure(t, "time.servers = [ \"127.0.0.1\" ]\n")
	h.run(t)
	require.Equal(t, 1, strings.Count(h.log(t), "level=WARN"), h.log(t))
	require.Contains(t, h.log(t), "the HTTP API is open to other hosts")
	require.Contains(t, h.log(t), "set agent.listen to 127.0.0.1:1232 to close it")
}

func TestTwoAgentsShareNoDirectory(t *testing.T) {
	h := newHost(t)
	h.configure(t, fmt.Sprintf("agent.datadir = %q\n", h.dir+"/data"))
	h.run(t)
	config, used := h.read(t, "agent.conf"), h.listen
	for key, path := range map[string]string{"log.logdir": "/log", "agent.pluginsdir": "/plugins", "agent.datadir": "/data"} {
		h.listen = freeAddress(t)
		theirs := strings.ReplaceAll(config, h.dir+"/", h.dir+"/other-")
		theirs = strings.Replace(theirs, h.dir+"/other-"+path[1:], h.dir+path, 1)
		h.write(t, "other.conf", strings.Replace(theirs, used, h.listen, 1))
		_, err := stock.NewService(h.dir + "/other.conf")
		require.EqualError(t, err, fmt.Sprintf("%s: directory %s is in use by process %d; stop it, or give each agent directories of its own (%s)",
			key, h.dir+path, os.Getpid(), key))
	}
}

func TestDirectoriesThatSomebodyRemovesStayTheAgents(t *testing.T) {
	h := newHost(t)
	h.configure(t, fmt.Sprintf("agent.datadir = %q\n", h.dir+"/data"))
	h.run(t)
	for _, dir := range []string{"/data", "/log"} {
		require.Eventually(t, func() bool { return os.RemoveAll(h.dir+dir) == nil }, 5*time.Second, 5*time.Millisecond)
	}
	for _, dir := range []string{"/data", "/log"} {
		require.Eventually(t, func() bool { _, err := os.Stat(h.dir + dir + "/.lock"); return err == nil }, 20*time.Second, 50*time.Millisecond, dir)
	}
	_, err := stock.NewService(h.dir + "/agent.conf")
	require.ErrorContains(t, err, "is in use by process")
	require.Eventually(t, func() bool {
		log, _ := os.ReadFile(h.dir + "/log/agent.log") // which the first line makes
		return strings.Contains(string(log), "made and locked anew")
	}, 5*time.Second, 5*time.Millisecond)
}

func TestAnAgentThatRunsKeepsItsPIDFile(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.write(t, "agent.conf", strings.Replace(h.read(t, "agent.conf"), "agent.pid\"", "other.pid\"", 1))
	require.ErrorContains(t, service.Reload(t.Context()), "agent.pidfile: an agent that runs does not move")
	require.Contains(t, h.log(t), "the config is not reloaded")
	require.JSONEq(t, `["web.shop"]`, h.get(t, "/me/ns"))
}
