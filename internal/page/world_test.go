package page_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/addresstest"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/stock"
)

// hostile is markup that must appear as text.
const hostile = `<script>alert(1)</script><img src=x onerror=alert(2)>`

// plugin is one that the agent gets.
type plugin struct {
	repo     string
	interval int // seconds; 0: on demand only
	script   string
}

// host has a stock agent with a real nsqd.
type host struct {
	url      string
	registry string // the file
	nsqd     *nsqdtest.Server
	stop     func() // the agent; may be called again
}

// startHost starts the agent; more is appended to its config. Without plugins it has one
// that fails and writes markup.
func startHost(t *testing.T, more string, plugins ...plugin) *host {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // the plugins' user goes through them
		require.NoError(t, os.Chmod(d, 0o755))
	}
	root := gittest.NewRoot(t)
	if len(plugins) == 0 {
		plugins = []plugin{{repo: "acme/hello", script: "echo '" + hostile + "' >&2; echo hello; exit 3\n"}}
	}
	assigned := "[[namespace]]\nname = \"web.shop\"\n"
	for _, p := range plugins {
		root.Plugin(p.repo, p.script)
		assigned += fmt.Sprintf("[[namespace.plugin]]\nrepo = %q\ninterval = %d\n", p.repo, p.interval)
	}
	listen := addresstest.Free(t)
	h := &host{url: "http://" + listen, registry: filepath.Join(dir, "registry.toml"), nsqd: nsqdtest.Start(t, nsqdtest.Options{})}
	require.NoError(t, os.WriteFile(h.registry, []byte(assigned), 0o600))
	config := filepath.Join(dir, "agent.conf")
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf(`
agent.listen = %q
agent.registryaddr = "file://%s"
agent.pluginsdir = "%s/plugins"
agent.hostname = "web1.example.org"
agent.git = %q
agent.gituser = "root"
output.servers = [ %q ]
time.servers = []
log.logdir = "%s/log"
%s`, listen, h.registry, dir, root.Template(), h.nsqd.Addr(), dir, more)), 0o600))
	service, err := stock.NewService(config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(h.stop)
	require.Eventually(t, func() bool {
		response, err := http.Get(h.url + "/readyz")
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, patience, 10*time.Millisecond)
	return h
}

// post posts a list of metrics.
func (h *host) post(t *testing.T, body string) {
	t.Helper()
	response, err := http.Post(h.url+"/post?ns=web.shop", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// series returns how many series the agent remembers whose names match.
func (h *host) series(t *testing.T, match string) int {
	t.Helper()
	response, err := http.Get(h.url + "/me/points?match=" + url.QueryEscape(match))
	require.NoError(t, err)
	defer response.Body.Close()
	var answer struct{ Points []struct{} }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	return len(answer.Points)
}
