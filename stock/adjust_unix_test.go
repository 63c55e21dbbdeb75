//go:build unix

package stock_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/stock"
)

// runDaemons runs a service whose namespace has daemons of these repositories, which print
// their process ids all the time. It returns once they run.
func runDaemons(t *testing.T, h *host, config string, repos ...string) (service *stock.Service, configure func(more string)) {
	t.Helper()
	root := gittest.NewRoot(t)
	registry := "[[namespace]]\nname = \"web.shop\"\n"
	for _, repo := range repos {
		root.Plugin(repo, `while :; do echo '{"name":"pid","value":'$$'}'; sleep 0.05; done`)
		registry += fmt.Sprintf("[[namespace.plugin]]\nrepo = %q\ninterval = \"10s\"\nmode = \"daemon\"\n", repo)
	}
	h.write(t, "registry.toml", registry)
	own, err := user.Current() // another one may not enter the test's directories
	require.NoError(t, err)
	configure = func(more string) {
		h.configure(t, fmt.Sprintf("agent.git = %q\nagent.pluginsuser = %q\n", root.Template(), own.Username)+more)
	}
	configure(config)
	service = h.run(t)
	return service, configure
}

// nextLine returns the next point of the namespace with this text in it.
func (h *host) nextLine(t *testing.T, text string) string {
	t.Helper()
	var seen []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		for _, line := range h.nsqd.Lines(t, "collect.web.shop", 1) {
			if strings.Contains(line, text) {
				return line
			}
			seen = append(seen, line)
		}
	}
	require.FailNow(t, "no point has "+text, strings.Join(seen[max(0, len(seen)-20):], "\n"))
	return ""
}

// pid returns the process id that a point of a daemon has.
func pid(t *testing.T, line string) string {
	t.Helper()
	found := regexp.MustCompile(` value=(\d+)`).FindStringSubmatch(line)
	require.NotNil(t, found, line)
	return found[1]
}

func TestTagsChangeWhileADaemonRunsOnAndNoPointIsLost(t *testing.T) {
	h := newHost(t)
	service, configure := runDaemons(t, h, "tags.dc = \"fra\"\n", "dba/mysql")
	before := h.nextLine(t, "PLUGIN.mysql.pid,dc=fra,host=h1 ")
	configure("tags.dc = \"muc\"\ntags.rack = \"7\"\n")
	require.NoError(t, service.Reload(t.Context()))
	after := h.nextLine(t, "PLUGIN.mysql.pid,dc=muc,host=h1,rack=7 ")
	require.Equal(t, pid(t, before), pid(t, after))
	account := h.status(t).Accounts["web.shop"]
	require.Empty(t, account.Dropped)
	require.Equal(t, account.Accepted, account.Delivered+account.Waiting)
	require.Zero(t, h.restarts(t))
	require.Contains(t, h.log(t), `changed="tags.dc tags.rack"`)
}

func TestAPolicyEndsOnlyThePluginThatItRefuses(t *testing.T) {
	h := newHost(t)
	service, configure := runDaemons(t, h, "", "dba/mysql", "web/nginx")
	refused, kept := pid(t, h.nextLine(t, "PLUGIN.mysql.pid")), pid(t, h.nextLine(t, "PLUGIN.nginx.pid"))
	configure("policy.plugins = [ \"web/*\" ]\n")
	require.NoError(t, service.Reload(t.Context()))
	h.nextLine(t, "plugin.mysql,host=h1,result=policy")
	require.Eventually(t, func() bool { return !lives(refused) }, 5*time.Second, time.Millisecond)
	require.True(t, lives(kept))
	require.Contains(t, h.get(t, "/plugins/list"), "refused by policy.plugins")
	require.Zero(t, h.restarts(t))

	configure("")
	require.NoError(t, service.Reload(t.Context()))
	require.NotEqual(t, refused, pid(t, h.nextLine(t, "PLUGIN.mysql.pid")), "it may run again")
	require.True(t, lives(kept))
}

func lives(pid string) bool {
	var n int
	_, err := fmt.Sscan(pid, &n)
	return err == nil && syscall.Kill(n, 0) == nil
}

func TestARuleRestartsOnlyThePluginThatItIsFor(t *testing.T) {
	h := newHost(t)
	service, configure := runDaemons(t, h, "", "dba/mysql", "web/nginx")
	was, kept := pid(t, h.nextLine(t, "PLUGIN.mysql.pid")), pid(t, h.nextLine(t, "PLUGIN.nginx.pid"))
	configure("[[policy.plugin]]\nmatch = \"dba/*\"\npids = 40\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Eventually(t, func() bool { return pid(t, h.nextLine(t, "PLUGIN.mysql.pid")) != was }, 10*time.Second, time.Millisecond)
	require.True(t, lives(kept))
	require.NotContains(t, h.get(t, "/plugins/list"), `"failures":1`)
}

// control asks for an update with a token and returns the status.
func (h *host) control(t *testing.T, token string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.listen+"/update", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

func TestAnotherTokenIsTakenAndTheOldOneRefusedAtOnce(t *testing.T) {
	h := newHost(t)
	token := func(name string) string {
		return fmt.Sprintf("api.localcontrol = \"token\"\napi.tokenfile = %q\n", h.write(t, name, name+"\n"))
	}
	h.configure(t, token("first"))
	service := h.run(t)
	require.Equal(t, 200, h.control(t, "first"))
	h.configure(t, token("second"))
	require.NoError(t, service.Reload(t.Context()))
	require.Equal(t, 403, h.control(t, "first"))
	require.Equal(t, 200, h.control(t, "second"))
	require.Zero(t, h.restarts(t))
}

func TestAnotherUpdateIntervalIsInForceWithoutARestart(t *testing.T) {
	h := newHost(t)
	h.configure(t, "agent.updateinterval = \"24h\"\n")
	service := h.run(t)
	h.configure(t, "agent.updateinterval = \"1s\"\n")
	require.NoError(t, service.Reload(t.Context()))
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n[[namespace]]\nname = \"db\"\n")
	require.Eventually(t, func() bool { return len(h.status(t).Namespaces) == 2 }, 5*time.Second, 10*time.Millisecond)
	require.Zero(t, h.restarts(t))
}

func TestAReloadReadsTheRegistryFileAgain(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n[[namespace]]\nname = \"db\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Equal(t, []string{"db", "web.shop"}, h.status(t).Namespaces)
	require.Zero(t, h.restarts(t))
}

func TestFilesOfTheDirectoryAndTheEnvironmentAreReadAtAReload(t *testing.T) {
	h := newHost(t)
	require.NoError(t, os.Mkdir(h.config+".d", 0o700))
	service := h.run(t)
	t.Setenv("DC", "muc")
	h.write(t, "agent.conf.d/10-tags.toml", "tags.dc = \"${DC}\"\n")
	require.NoError(t, service.Reload(t.Context()))
	h.post(t)
	require.Contains(t, h.nsqd.Lines(t, "collect.posted", 1)[0], ",dc=muc,")
	h.write(t, "agent.conf.d/20-wrong.toml", "tags.dc = \"${NOT_SET}\"\n")
	require.ErrorContains(t, service.Reload(t.Context()), "20-wrong.toml:1: tags.dc: ")
	h.post(t)
	require.Contains(t, h.nsqd.Lines(t, "collect.posted", 1)[0], ",dc=muc,", "what was in force stays so")
	require.Zero(t, h.restarts(t))
}

func TestAReloadThatFailsHalfwayChangesNothing(t *testing.T) {
	h := newHost(t)
	h.configure(t, "tags.dc = \"fra\"\n")
	service := h.run(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	was := h.listen
	h.listen = other.Addr().String()
	h.configure(t, fmt.Sprintf("tags.dc = \"muc\"\napi.socket = %q\noutput.topicprefix = \"x.\"\npolicy.calls = false\n", filepath.Join(h.dir, "s")))
	require.ErrorContains(t, service.Reload(t.Context()), "another program listens on "+h.listen)
	h.listen = was
	h.post(t)
	require.Contains(t, h.nsqd.Lines(t, "collect.posted", 1)[0], ",dc=fra,")
	require.True(t, h.status(t).Control.Calls)
	require.NoFileExists(t, filepath.Join(h.dir, "s"))
}

func TestAReloadThatFailsAtItsLastStepChangesNothing(t *testing.T) {
	h := newHost(t)
	long := strings.Repeat("x", 2000)
	service := h.run(t, agent.WithTags(map[string]string{"own": long}))
	socket := filepath.Join(h.dir, "s")
	h.configure(t, fmt.Sprintf("api.socket = %q\noutput.topicprefix = \"x.\"\ntags.more = %q\n", socket, long))
	require.ErrorContains(t, service.Reload(t.Context()), "the tags take")
	require.NoFileExists(t, socket)
	h.post(t)
	require.NotContains(t, h.nsqd.Lines(t, "collect.posted", 1)[0], "more=")
	require.Zero(t, h.restarts(t))
}

func TestTheLogNamesTheKeysThatMadeARestartNecessary(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	h.configure(t, "tags.dc = \"muc\"\nagent.branch = \"stable\"\noutput.spoolsize = \"2MiB\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Eventually(t, func() bool { return h.restarts(t) == 1 }, 5*time.Second, time.Millisecond)
	require.Contains(t, h.log(t), `which ends its plugins: these keys cannot change otherwise" keys="agent.branch output.spoolsize"`)
	require.NoError(t, service.Reload(t.Context()))
	require.Equal(t, 1, h.restarts(t), "nothing has changed")
}
