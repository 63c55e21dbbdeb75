package stock_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

// sendStatsd sends a packet to the listener of the host.
func (h *host) sendStatsd(t *testing.T, packet string) {
	t.Helper()
	before := h.statsd(t)
	network := "udp"
	if filepath.IsAbs(before.Address) {
		network = "unixgram"
	}
	conn, err := net.Dial(network, before.Address)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(packet))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return h.statsd(t).Packets > before.Packets }, 5*time.Second, time.Millisecond)
}

// statsd returns the status of the host's listener; nil: there is none.
func (h *host) statsd(t *testing.T) *agent.StatsdStatus {
	t.Helper()
	var status agent.Status
	require.NoError(t, json.Unmarshal([]byte(h.get(t, "/me/status")), &status))
	return status.Statsd
}

// awaitPoints reads the points of the namespace until each of these has come.
func (h *host) awaitPoints(t *testing.T, points ...string) {
	t.Helper()
	for len(points) > 0 {
		lines := strings.Join(h.nsqd.Lines(t, "collect.web.shop", 1), "\n")
		points = slices.DeleteFunc(points, func(point string) bool { return strings.Contains(lines, point) })
	}
}

func reload(t *testing.T, service *stock.Service) {
	t.Helper()
	require.NoError(t, service.Reload(t.Context()))
}

// start runs a service of the host's config. The function that it returns stops it.
func (h *host) start(t *testing.T) (service *stock.Service, stop func()) {
	t.Helper()
	service, err := stock.NewService(h.config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	h.waitUntilReady(t)
	return service, func() {
		t.Helper()
		cancel()
		require.NoError(t, <-done)
	}
}

func TestStatsdGoesToTheOnlyNamespaceAtTheLatestWithTheStop(t *testing.T) {
	h := newHost(t)
	h.configure(t, "statsd.listen = \"127.0.0.1:0\"\n")
	_, stop := h.start(t)
	h.sendStatsd(t, "orders:2|c|#dc:fra\npage:10|ms")
	stop()
	h.awaitPoints(t, "RUN.orders.count,dc=fra,host=h1 value=2 ", "RUN.page.p99,host=h1 value=10 ")
}

func TestStatsdIsSafeWhenTheAgentStopsWhileNSQHangs(t *testing.T) {
	h := newHost(t)
	h.configure(t, "statsd.listen = \"127.0.0.1:0\"\n")
	_, stop := h.start(t)
	h.nsqd.Freeze()
	h.sendStatsd(t, "orders:2|c")
	stop()
	h.nsqd.Thaw()
	_, stop = h.start(t)
	h.awaitPoints(t, "RUN.orders.count,host=h1 value=2 ")
	stop()
}

func TestStatsdOutlivesReloads(t *testing.T) {
	h := newHost(t)
	socket := filepath.Join(h.dir, "statsd.sock")
	section := fmt.Sprintf("statsd.listen = %q\n", socket)
	h.configure(t, section)
	service, stop := h.start(t)
	h.sendStatsd(t, "a:1|c")
	h.configure(t, section+"tags.dc = \"fra\"\n") // the agent runs on
	reload(t, service)
	h.sendStatsd(t, "a:1|c")
	h.configure(t, section+"agent.branch = \"other\"\n") // another agent comes
	reload(t, service)
	h.sendStatsd(t, "a:1|c")
	require.EqualValues(t, 3, h.statsd(t).Packets)
	stop()
	require.NoFileExists(t, socket)
	h.awaitPoints(t, "RUN.a.count,host=h1 value=3 ")
}

func TestReloadOpensMovesAndClosesStatsd(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	require.Nil(t, h.statsd(t), "it is off by default")

	h.configure(t, "statsd.listen = \"127.0.0.1:0\"\n")
	reload(t, service)
	first := h.statsd(t).Address

	h.sendStatsd(t, "a:1|g")
	h.configure(t, "statsd.listen = \"127.0.0.1:0\"\nstatsd.namespace = \"posted\"\n")
	reload(t, service)
	require.Equal(t, first, h.statsd(t).Address, "the socket stays")
	require.Contains(t, h.get(t, "/me/points?match=RUN.a"), `"web.shop"`, "what was gathered went to the namespace before")

	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	h.configure(t, fmt.Sprintf("statsd.listen = %q\n", busy.LocalAddr()))
	require.ErrorContains(t, service.Reload(t.Context()), "statsd.listen: another program listens on "+busy.LocalAddr().String()+" already")
	require.Equal(t, first, h.statsd(t).Address, "what was in force stays so")

	h.configure(t, fmt.Sprintf("statsd.listen = %q\napi.socket = %q\n", h.dir+"/statsd.sock", h.config))
	require.ErrorContains(t, service.Reload(t.Context()), "api.socket: ")
	require.NoFileExists(t, h.dir+"/statsd.sock", "the socket of a reload that failed is closed")
	require.Equal(t, first, h.statsd(t).Address)

	h.configure(t, "")
	reload(t, service)
	require.Nil(t, h.statsd(t))
	free, err := net.ListenPacket("udp", first)
	require.NoError(t, err, "the address is free again")
	require.NoError(t, free.Close())
}

func TestStatsdForOtherHostsIsAWarning(t *testing.T) {
	h := newHost(t)
	for address, warns := range map[string]bool{"0.0.0.0:8125": true, ":8125": true, "127.0.0.1:8125": false, "[::1]:8125": false, "localhost:8125": false, h.dir + "/s": false} {
		h.configure(t, fmt.Sprintf("statsd.listen = %q\n", address))
		cfg, err := stock.ReadConfig(h.config)
		require.NoError(t, err)
		require.Equal(t, warns, strings.Contains(strings.Join(cfg.Warnings, "\n"), "statsd.listen: other hosts can send"), address)
	}
}

func TestAddressInUseIsAnErrorOfTheStart(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.dir, "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	h.configure(t, fmt.Sprintf("statsd.listen = %q\n", path))
	_, err := stock.NewService(h.config)
	require.ErrorContains(t, err, "statsd.listen: "+path+" exists already and is not a socket")
}
