package stock_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/addresstest"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/stock"
)

// Nothing is left running when the tests, and their agents, have ended.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		listen: addresstest.Free(t),
		nsqd:   nsqdtest.Start(t, nsqdtest.Options{}),
	}
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n")
	h.configure(t, "")
	return h
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
	require.Eventually(t, func() bool { return strings.Contains(h.get(t, "/readyz"), "ready\"") }, 30*time.Second, 5*time.Millisecond)
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

// post posts one metric, x, to the namespace "posted".
func (h *host) post(t *testing.T) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Post("http://"+h.listen+"/post?ns=posted", "", strings.NewReader(`[{"name":"x","value":1}]`))
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}

func (h *host) status(t *testing.T) (s agent.Status) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(h.get(t, "/me/status")), &s))
	return s
}
