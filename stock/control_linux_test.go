package stock_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// callAsNobody calls the API as the default user of plugins, and returns the
// answer.
func callAsNobody(t *testing.T, address, path string) string {
	t.Helper()
	return callAs(t, 65534, address, path)
}

func callAs(t *testing.T, uid uint32, address, path string) string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil || os.Getuid() != 0 {
		t.Skip("only root can start processes of another user, and this one is bash")
	}
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), bash, "-c", `exec 3<>"/dev/tcp/$1/$2" && printf '%s\r\n' "GET $3 HTTP/1.0" "" >&3 && cat <&3`, "caller", host, port, path)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	answer, err := command.CombinedOutput()
	require.NoError(t, err, "%s", answer)
	return string(answer)
}

func TestThePluginsUserDoesNotControlTheAgent(t *testing.T) {
	h := newHost(t)
	service := h.run(t)
	require.Contains(t, callAsNobody(t, h.listen, "/me/ns"), " 200 OK")
	require.Contains(t, callAsNobody(t, h.listen, "/update"), " 403 Forbidden")
	require.Contains(t, h.read(t, "log/audit.log"), `"who":"uid 65534"`)
	require.Contains(t, h.get(t, "/update"), `"ok"`)
	require.Equal(t, []int{65534}, h.status(t).Control.PluginUsers)

	// The user of a rule is one of plugins, too.
	h.configure(t, "agent.pluginsuser = \"daemon\"\n[[policy.plugin]]\nmatch = \"infra/*\"\nuser = \"nobody\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Contains(t, callAsNobody(t, h.listen, "/update"), " 403 Forbidden")
	require.Equal(t, []int{1, 65534}, h.status(t).Control.PluginUsers)

	h.configure(t, "agent.pluginsuser = \"daemon\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Contains(t, callAsNobody(t, h.listen, "/update"), " 200 OK")

	// If plugins run as the agent's user, they cannot be distinguished from it.
	h.configure(t, "agent.pluginsuser = \"root\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Contains(t, callAsNobody(t, h.listen, "/update"), " 200 OK")
	require.Empty(t, h.status(t).Control.PluginUsers)
}

func TestPluginsWithAUserOfTheirNamespaceDoNotControlTheAgent(t *testing.T) {
	h := newHost(t)
	h.configure(t, "agent.pluginsuser = \"dynamic\"\n")
	service := h.run(t)
	for _, uid := range []uint32{0x70000000, 0x7ffdffff} {
		require.Contains(t, callAs(t, uid, h.listen, "/me/ns"), " 200 OK")
		require.Contains(t, callAs(t, uid, h.listen, "/update"), " 403 Forbidden")
		require.Contains(t, h.read(t, "log/audit.log"), fmt.Sprintf(`"who":"uid %d"`, uid))
	}
	require.Contains(t, callAsNobody(t, h.listen, "/update"), " 200 OK")
	control := h.status(t).Control
	require.Empty(t, control.PluginUsers)
	require.Equal(t, []agent.UIDRange{{First: 0x70000000, Last: 0x7ffdffff}}, control.PluginUserRanges)

	h.configure(t, "[[policy.plugin]]\nmatch = \"infra/*\"\nuser = \"dynamic\"\n")
	require.NoError(t, service.Reload(t.Context()))
	require.Contains(t, callAs(t, 0x70000000, h.listen, "/update"), " 403 Forbidden")
	require.Contains(t, callAsNobody(t, h.listen, "/update"), " 403 Forbidden")
}

func TestLocalControlLeavesSomebody(t *testing.T) {
	dir := t.TempDir()
	token, socket := filepath.Join(dir, "token"), filepath.Join(dir, "agent.sock")
	require.NoError(t, os.WriteFile(token, []byte("s3cret"), 0o600))
	tokenFile, socketAt := fmt.Sprintf("api.tokenfile = %q\n", token), fmt.Sprintf("api.socket = %q\n", socket)
	for lines, wrong := range map[string]string{
		`api.localcontrol = "loopback"`:            "",
		`api.localcontrol = "socket"`:              "set api.socket",
		`api.localcontrol = "token"`:               "set api.tokenfile or api.clientca",
		tokenFile + `api.localcontrol = "socket"`:  "set api.socket",
		socketAt + `api.localcontrol = "token"`:    "set api.tokenfile or api.clientca",
		tokenFile + `api.localcontrol = "token"`:   "",
		socketAt + `api.localcontrol = "socket"`:   "",
		tokenFile + `api.localcontrol = "nobody"`:  "write loopback, socket or token",
		tokenFile + `api.localcontrol = "Token"`:   "write loopback, socket or token",
		tokenFile + `api.localcontrol = [ "tcp" ]`: "api.localcontrol",
	} {
		_, err := readConfig(t, "agent.registryaddr = \"https://r\"\noutput.name = \"stdout\"\n"+lines+"\n")
		if wrong == "" {
			require.NoError(t, err, lines)
			continue
		}
		require.ErrorContains(t, err, fmt.Sprintf("agent.conf:%d: api.localcontrol: ", 3+strings.Count(lines, "\n")), lines)
		require.ErrorContains(t, err, wrong, lines)
	}
}

func TestTheConfigMayRefuseCallsAndLoopback(t *testing.T) {
	h := newHost(t)
	token := h.write(t, "token", "s3cret")
	h.configure(t, fmt.Sprintf("api.tokenfile = %q\napi.localcontrol = \"token\"\npolicy.calls = false\n", token))
	h.run(t)
	require.Contains(t, h.get(t, "/update"), "api.localcontrol is token")
	require.Contains(t, h.get(t, "/plugins/run"), "api.localcontrol is token")
	require.Equal(t, "token", h.status(t).Control.Local)
	require.False(t, h.status(t).Control.Calls)

	h = newHost(t)
	h.configure(t, "policy.calls = false\n")
	h.run(t)
	require.Contains(t, h.get(t, "/plugins/run?ns=web.shop&repo=a/b"), "policy.calls")
	require.Contains(t, h.get(t, "/plugins/update?ns=web.shop&repo=a/b"), "no such plugin is assigned")
}
