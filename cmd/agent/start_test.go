package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestPointsAreInNSQSoonAfterTheStart(t *testing.T) {
	h := newHost(t)
	began := time.Now()
	h.start(t)
	lines := h.nsqd.Lines(t, "collect.web.shop", 30)
	require.Less(t, time.Since(began), 8*time.Second, "that is before the first interval ends; the benchmark says how much")
	require.Contains(t, strings.Join(lines, "\n"), "mem.total,host=h1 value=")
}

func TestSignalsStopTheAgentCleanly(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		h := newHost(t)
		d := h.start(t)
		began := time.Now()
		require.NoError(t, d.cmd.Process.Signal(signal))
		require.NoError(t, d.cmd.Process.Signal(signal)) // timeout(1) and terminals send two
		require.Equal(t, 0, d.exitCode(t), d.stderr)
		require.Less(t, time.Since(began), 10*time.Second)
		require.NoFileExists(t, filepath.Join(h.dir, "agent.pid"))
	}
}

// hang makes stopping take long: points wait, and nsqd does not answer.
func hang(t *testing.T, h *host) *daemon {
	t.Helper()
	h.configure(t, "output.spoolsize = 0\n")
	h.nsqd.Freeze()
	t.Cleanup(h.nsqd.Thaw)
	d := h.start(t)
	require.Eventually(t, func() bool {
		r := execute(t, "status", "-f", h.config)
		return r.code == 0 && !strings.Contains(r.stdout, " 0 accepted")
	}, 5*time.Second, 20*time.Millisecond)
	return d
}

func TestAHungServerDoesNotKeepTheAgentFromStopping(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	d := hang(t, h)
	began := time.Now()
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	d.exitCode(t)
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestASecondSignalEndsTheAgentAtOnce(t *testing.T) {
	h := newHost(t)
	d := hang(t, h)
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	began := time.Now()
	require.Eventually(t, func() bool {
		d.cmd.Process.Signal(syscall.SIGTERM) // an error once it has ended
		select {
		case <-d.ended:
			return true
		default:
			return false
		}
	}, 5*time.Second, 300*time.Millisecond)
	require.Less(t, time.Since(began), 8*time.Second, "that is before the first interval ends; the benchmark says how much")
	require.Equal(t, exitUnclean, d.exitCode(t))
	require.Contains(t, d.stderr.String(), "a second signal (terminated) killed the agent before it had stopped")
}

func TestASecondAgentOfOnePIDFileIsRefused(t *testing.T) {
	h := newHost(t)
	d := h.start(t)
	r := execute(t, "start", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Equal(t, fmt.Sprintf("agent start: an agent is running already as process %d (pid file %s/agent.pid);"+
		" stop it first (agent stop), or give this one a pid file of its own (agent.pidfile)\n", d.cmd.Process.Pid, h.dir), r.stderr)
}

func TestAKilledAgentsPIDFileIsReplaced(t *testing.T) {
	h := newHost(t)
	first := h.start(t)
	require.NoError(t, first.cmd.Process.Kill())
	first.exitCode(t)
	require.FileExists(t, filepath.Join(h.dir, "agent.pid"))
	second := h.start(t)
	require.Eventually(t, func() bool { // it may serve a little earlier
		content, err := os.ReadFile(filepath.Join(h.dir, "agent.pid"))
		return err == nil && string(content) == strconv.Itoa(second.cmd.Process.Pid)+"\n"
	}, 10*time.Second, 5*time.Millisecond)
}

func TestAnAddressInUseIsSaidWithinASecond(t *testing.T) {
	h := newHost(t)
	other, err := net.Listen("tcp", h.listen)
	require.NoError(t, err)
	defer other.Close()
	began := time.Now()
	r := execute(t, "start", "-f", h.config)
	require.Equal(t, result{1, "", "agent start: agent.listen: another program listens on " + h.listen +
		" already; stop it, or name another address\n"}, r)
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoFileExists(t, filepath.Join(h.dir, "agent.pid"))
}

func TestStopWaitsUntilTheAgentHasExited(t *testing.T) {
	h := newHost(t)
	d := h.start(t)
	r := execute(t, "stop", "-f", h.config)
	require.Equal(t, result{0, fmt.Sprintf("the agent (process %d) has stopped\n", d.cmd.Process.Pid), ""}, r)
	require.Equal(t, 0, d.exitCode(t))

	r = execute(t, "stop", "-f", h.config)
	require.Equal(t, result{1, "", "agent stop: no agent is running: there is no pid file " + h.dir + "/agent.pid\n"}, r)
}

func TestStopTouchesNoOtherProgram(t *testing.T) {
	h := newHost(t)
	other := exec.Command("sleep", "60")
	require.NoError(t, other.Start())
	defer other.Wait()
	defer other.Process.Kill()
	h.write(t, "agent.pid", strconv.Itoa(other.Process.Pid))
	r := execute(t, "stop", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, fmt.Sprintf("names process %d, which is not an agent", other.Process.Pid))
	require.NoError(t, other.Process.Signal(syscall.Signal(0)))
}

func TestStopDoesNotNeedAConfigThatIsRightElsewhere(t *testing.T) {
	h := newHost(t)
	h.start(t)
	h.configure(t, "output.format = \"xml\"\n")
	require.Equal(t, 0, execute(t, "stop", "-f", h.config).code)
}

func TestStopCleanRemovesPluginsAndDataAndNothingElse(t *testing.T) {
	h := newHost(t)
	outside := h.write(t, "outside", "mine")
	d := h.start(t)
	plugins := filepath.Join(h.dir, "plugins")
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(plugins, ".agent", "state"))
		return err == nil
	}, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, os.MkdirAll(filepath.Join(plugins, "ns", "project"), 0o755))
	require.NoError(t, os.Symlink(h.dir, filepath.Join(plugins, "ns", "link")))

	r := execute(t, "stop", "-f", h.config, "-m", "clean")
	require.Equal(t, result{0, fmt.Sprintf("the agent (process %d) has stopped\n%s is empty\n", d.cmd.Process.Pid, plugins), ""}, r)
	entries, err := os.ReadDir(plugins)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.FileExists(t, outside)

	require.NoError(t, os.MkdirAll(filepath.Join(plugins, "ns", "project"), 0o755))
	r = execute(t, "stop", "-f", h.config, "-m", "clean")
	require.Equal(t, 0, r.code, "also when no agent runs")
	require.NoDirExists(t, filepath.Join(plugins, "ns"))
}

func TestStopCleanTouchesNothingOfAnAgentThatRunsWithAnotherPIDFile(t *testing.T) {
	h := newHost(t)
	h.configure(t, fmt.Sprintf("agent.datadir = %q\n", h.dir+"/data"))
	d := h.start(t)
	h.eventually(t, func(s agent.Status) bool { return s.Registry.InForce }) // so its directories are made
	for key, dirs := range map[string][2]string{
		"agent.pluginsdir": {"/plugins", "/other-data"},
		"agent.datadir":    {"/other-plugins", "/data"},
	} {
		other := h.write(t, "other.conf", fmt.Sprintf("agent.pidfile = %q\nagent.pluginsdir = %q\nagent.datadir = %q\n",
			h.dir+"/other.pid", h.dir+dirs[0], h.dir+dirs[1]))
		r := execute(t, "stop", "-f", other, "-m", "clean")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.stderr, fmt.Sprintf("%s: directory ", key))
		require.Contains(t, r.stderr, fmt.Sprintf("is in use by process %d", d.cmd.Process.Pid))
		require.DirExists(t, filepath.Join(h.dir, "data", "spool"))
		require.NoFileExists(t, filepath.Join(h.dir, "other.pid"))
	}
}

func TestStopCleanRefusesDirectoriesThatAreNotTheAgents(t *testing.T) {
	h := newHost(t)
	config, err := os.ReadFile(h.config)
	require.NoError(t, err)
	for _, dir := range []string{"/", "/home", "/usr/local", "/etc/ssh"} {
		h.write(t, "agent.conf", strings.Replace(string(config), h.dir+"/plugins", dir, 1))
		r := execute(t, "stop", "-f", h.config, "-m", "clean")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.stderr, "agent.conf:4: agent.pluginsdir: "+dir+" ")
		require.Contains(t, r.stderr, "; name a directory of the agent's own\n")
	}
}

func TestSIGHUPReloadsAndAWrongConfigIsLogged(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	h.configure(t, fmt.Sprintf("log.logdir = %q\n", h.dir+"/log"))
	d := h.start(t)
	logged := func(sentence string) {
		t.Helper()
		require.Eventually(t, func() bool {
			content, err := os.ReadFile(filepath.Join(h.dir, "log", "agent.log"))
			return err == nil && strings.Contains(string(content), sentence)
		}, 5*time.Second, 5*time.Millisecond)
	}
	h.configure(t, "output.format = \"xml\"\n")
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	logged("the config is not reloaded: the one before stays in force")

	h.configure(t, fmt.Sprintf("log.logdir = %q\npolicy.signers = %q\n", h.dir+"/log", h.dir+"/signers"))
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	logged("policy.signers: " + h.dir + "/signers does not exist")

	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.other\"\n")
	h.configure(t, fmt.Sprintf("log.logdir = %q\noutput.buffersize = 5000\n", h.dir+"/log"))
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	logged(`msg="the config is reloaded: the agent and its plugins run on"`)
	h.nsqd.Lines(t, "collect.web.other", 1)
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, d.exitCode(t))
	require.Empty(t, d.stderr.String())
}

func TestStatusSaysWhyItCannotAskPort0(t *testing.T) {
	config := filepath.Join(t.TempDir(), "agent.conf")
	require.NoError(t, os.WriteFile(config, []byte("agent.listen = \"127.0.0.1:0\"\n"), 0o600))
	r := execute(t, "status", "-f", config)
	require.Equal(t, result{1, "", "agent status: agent.listen has port 0, a free one, which only the agent's log names:" +
		" write another port, or set api.socket, to ask the agent here\n"}, r)
}

func TestStatusSaysFirstWhatIsWrong(t *testing.T) {
	h := newHost(t)
	r := execute(t, "status", "-f", h.config)
	require.Equal(t, result{1, "", "agent status: no agent answers at " + h.listen +
		": start one (agent start), or name its config with -f\n"}, r)

	h.start(t)
	h.nsqd.Lines(t, "collect.web.shop", 1)
	r = execute(t, "status", "-f", h.config)
	require.Equal(t, 0, r.code, r.stderr)
	require.Regexp(t, `(?s)^agent .* on h1, up for .*namespaces +web\.shop`, r.stdout)
	require.NotContains(t, r.stdout, "registry:")

	h.write(t, "registry.toml", "rubbish")
	response, err := http.Get("http://" + h.listen + "/update")
	require.NoError(t, err)
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	r = execute(t, "status", "-f", h.config)
	require.Equal(t, 0, r.code, r.stderr)
	require.Regexp(t, `(?s)up for [^\n]*\n\nWRONG\n  registry: [^\n]*registry\.toml:1:`, r.stdout)

	r = execute(t, "status", "-f", h.config, "--check")
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^registry: [^\n]*registry\.toml:1:[^\n]*\n`, r.stdout)
	require.Empty(t, r.stderr)
	r = execute(t, "status", "-f", h.config, "--json", "--check")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, `"namespaces":["web.shop"]`)

	r = execute(t, "status", "-f", h.config, "--json")
	require.Equal(t, 0, r.code)
	require.Contains(t, r.stdout, `"namespaces":["web.shop"]`)
}

func TestStatusGoesOverTheSocketWhereThereIsOne(t *testing.T) {
	h := newHost(t)
	h.configure(t, fmt.Sprintf("api.socket = %q\n", h.dir+"/agent.sock"))
	h.start(t)
	r := execute(t, "status", "-f", h.config)
	require.Equal(t, 0, r.code, r.stderr)
	require.NoError(t, os.Remove(h.dir+"/agent.sock"))
	r = execute(t, "status", "-f", h.config)
	require.Contains(t, r.stderr, "no agent answers at "+h.dir+"/agent.sock")
}

func TestStatusTrustsTheAgentsOwnCertificateOnly(t *testing.T) {
	h := newHost(t)
	cert, key := certificate(t, h, "one")
	h.configure(t, fmt.Sprintf("api.tlscert = %q\napi.tlskey = %q\n", cert, key))
	h.start(t)
	r := execute(t, "status", "-f", h.config)
	require.Equal(t, 0, r.code, r.stderr)

	cert, key = certificate(t, h, "other")
	h.configure(t, fmt.Sprintf("api.tlscert = %q\napi.tlskey = %q\n", cert, key))
	r = execute(t, "status", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "certificate is not that of api.tlscert")
}

// certificate makes a certificate for no name at all, and its key.
func certificate(t *testing.T, h *host, name string) (cert, key string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert = h.write(t, name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = h.write(t, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	return cert, key
}

func TestStopSaysHowTheAgentEnded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	d := hang(t, h)
	r := execute(t, "stop", "-f", h.config)
	require.Equal(t, 1, r.code, r)
	require.Regexp(t, fmt.Sprintf(`^agent stop: the agent \(process %d\) has stopped, but with an error: .*points.*; its log says more\n$`, d.cmd.Process.Pid), r.stderr)
	require.Equal(t, exitUnclean, d.exitCode(t))
}

func TestAPIDFileThatIsRemovedIsNoFaultAndSIGHUPWritesItAgain(t *testing.T) {
	h := newHost(t)
	d := h.start(t)
	path := filepath.Join(h.dir, "agent.pid")
	require.NoError(t, os.Remove(path))
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool {
		content, err := os.ReadFile(path)
		// The reload adds its result in a second line.
		return err == nil && strings.HasPrefix(string(content), strconv.Itoa(d.cmd.Process.Pid)+"\n")
	}, 5*time.Second, 5*time.Millisecond)

	require.NoError(t, os.Remove(path))
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, d.exitCode(t), d.stderr)
}

func TestNoListenerControlsTheTerminal(t *testing.T) {
	const hostile = "\x9b2J\u009b2J\x7f\u202e" // json.Valid lets these through
	for path, answer := range map[string]string{
		"status": `{"hostname": "` + hostile + `", "registry": {"error": "\u001b[2J` + hostile + `"}, "namespaces": ["\u001b` + hostile + `"], ` +
			`"output": {"servers": [{"address": "\u001b` + hostile + `"}]}, "plugins": [{"ns": "\u001b", "repo": "` + hostile + `"}]}`,
		"problem": `{"detail": "\u001b[2J` + hostile + `"}`,
	} {
		code := http.StatusOK
		if path == "problem" {
			code = http.StatusForbidden
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			io.WriteString(w, answer)
		}))
		h := newHost(t)
		h.listen = server.Listener.Addr().String()
		h.configure(t, "")
		for _, args := range [][]string{{"status", "-f", h.config}, {"status", "-f", h.config, "--json"}} {
			r := execute(t, args...)
			for _, text := range []string{r.stdout, r.stderr} {
				require.True(t, utf8.ValidString(text))
				require.NotContains(t, strings.Map(func(r rune) rune {
					if r != '\n' && (unicode.IsControl(r) || r == '\u202e') {
						return '!'
					}
					return 'x'
				}, text), "!", "%q", text)
			}
		}
		server.Close()
	}
}
