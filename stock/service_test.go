package stock_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/addresstest"
	"github.com/lodastack/agent/stock"
)

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

func TestAnAddressInUseIsSaidAtTheStart(t *testing.T) {
	h := newHost(t)
	other, err := net.Listen("tcp", h.listen)
	require.NoError(t, err)
	defer other.Close()
	_, err = stock.NewService(h.config)
	require.EqualError(t, err, "agent.listen: another program listens on "+h.listen+" already; stop it, or name another address")
}

func TestAnAddressOfAnotherHostIsSaidAtTheStart(t *testing.T) {
	h := newHost(t)
	h.listen = "192.0.2.1:1232" // of no host: RFC 5737
	h.configure(t, "")
	_, err := stock.NewService(h.config)
	require.EqualError(t, err, "agent.listen: this host does not have the address of 192.0.2.1:1232: name one that it has, such as 127.0.0.1, or 0.0.0.0 for all")
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
	require.ErrorContains(t, err, "exists already and is not a socket")
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
		h.listen = addresstest.Free(t)
		theirs := strings.ReplaceAll(config, h.dir+"/", h.dir+"/other-")
		theirs = strings.Replace(theirs, h.dir+"/other-"+path[1:], h.dir+path, 1)
		h.write(t, "other.conf", strings.Replace(theirs, used, h.listen, 1))
		_, err := stock.NewService(h.dir + "/other.conf")
		require.EqualError(t, err, fmt.Sprintf("%s: directory %s is in use by process %d; stop it, or give each agent directories of its own (%s)",
			key, h.dir+path, os.Getpid(), key))
	}
}

func TestDirectoriesThatSomebodyRemovesStayTheAgents(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
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
