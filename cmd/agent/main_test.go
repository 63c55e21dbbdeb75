package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/addresstest"
	"github.com/lodastack/agent/internal/nsqdtest"
)

// beAgent in the environment makes this test binary the agent.
const beAgent = "BE_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(beAgent) != "" {
		main()
	}
	os.Exit(m.Run())
}

// host is a directory with everything that an agent needs.
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
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n\n[[namespace.port]]\nname = \"api\"\nport = "+port(h.listen)+"\n")
	h.configure(t, "")
	return h
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
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
time.servers = [ "127.0.0.1" ]
`, h.listen, h.dir, h.dir, h.dir, h.nsqd.Addr())+more)
}

// agentCommand is the agent with these arguments, not yet started.
func agentCommand(t *testing.T, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	// The race detector would sleep for a second at each exit.
	c.Env = append(os.Environ(), beAgent+"=yes", "GORACE=atexit_sleep_ms=0")
	return c
}

// result is the result of a command that has ended.
type result struct {
	code           int
	stdout, stderr string
}

// execute runs the agent with these arguments to its end.
func execute(t *testing.T, args ...string) result {
	t.Helper()
	c := agentCommand(t, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	require.NotContains(t, stderr.String(), "goroutine ", "a stack trace is not an answer")
	return result{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// daemon is a running `agent start`.
type daemon struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer // to be read once it has ended
	ended  chan struct{}
}

// start starts the agent and waits until its API answers.
func (h *host) start(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{cmd: agentCommand(t, "start", "-f", h.config), stderr: new(bytes.Buffer), ended: make(chan struct{})}
	d.cmd.Stderr = d.stderr
	h.watch(t, d)
	return d
}

// watch starts the daemon and waits until its API answers.
func (h *host) watch(t *testing.T, d *daemon) {
	t.Helper()
	require.NoError(t, d.cmd.Start())
	go func() {
		d.cmd.Wait() // the test looks at ProcessState
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill() // if it has not ended yet
		<-d.ended
	})
	h.waitUntilServed(t, d)
}

func (h *host) waitUntilServed(t *testing.T, d *daemon) {
	t.Helper()
	require.Eventually(t, func() bool {
		select {
		case <-d.ended:
			t.Fatalf("the agent ended: %s", d.stderr)
		default:
		}
		conn, err := net.Dial("tcp", h.listen)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}, 10*time.Second, 5*time.Millisecond)
}

// status is what the running agent answers.
func (h *host) status(t *testing.T) (s agent.Status) {
	t.Helper()
	r := execute(t, "status", "-f", h.config, "--json")
	require.Equal(t, 0, r.code, r.stderr)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &s))
	return s
}

// eventually asks for the status until it is as good says.
func (h *host) eventually(t *testing.T, good func(agent.Status) bool) {
	t.Helper()
	require.Eventually(t, func() bool { return good(h.status(t)) }, 20*time.Second, 20*time.Millisecond)
}

// exitCode waits for the daemon's end.
func (d *daemon) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case <-d.ended:
	case <-time.After(15 * time.Second):
		t.Fatal("the agent has not ended")
	}
	return d.cmd.ProcessState.ExitCode()
}

func TestWrongUseIsAnsweredWithTheRightOne(t *testing.T) {
	for _, c := range []struct {
		args   []string
		stderr string
	}{
		{nil, "Run the agent"},
		{[]string{"run"}, `there is no command "run"`},
		{[]string{"start", "-x"}, "there is no flag"},
		{[]string{"start", "agent.conf"}, `unexpected argument "agent.conf"`},
		{[]string{"stop", "-m", "dirty"}, "-m dirty: there are the modes normal and clean"},
		{[]string{"collect", "CPU", "XYZ"}, `there is no kind "XYZ" here`},
		{[]string{"status", "-json"}, "there is no flag -json; flags with long names begin with --"},
		{[]string{"statsu"}, `there is no command "statsu"; did you mean status?`},
		{[]string{"plugin", "tset"}, `there is no command "tset"; did you mean test?`},
		{[]string{"help", "strat"}, `there is no command "strat"; did you mean start`},
	} {
		r := execute(t, c.args...)
		require.Equal(t, 2, r.code, c.args)
		require.Contains(t, r.stderr, c.stderr)
		require.Contains(t, r.stderr, "agent ")
		require.Empty(t, r.stdout)
	}
}

func TestHelpGoesToStandardOutput(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}} {
		r := execute(t, args...)
		require.Equal(t, 0, r.code)
		require.Contains(t, r.stdout, "stop the running agent")
	}
	r := execute(t, "stop", "-h")
	require.Equal(t, 0, r.code)
	require.Contains(t, r.stdout, "Usage: agent stop")
	require.Contains(t, r.stdout, "(default /etc/agent.conf)")
}

func TestVersionNamesCommitAndGo(t *testing.T) {
	r := execute(t, "version")
	require.Equal(t, 0, r.code)
	require.Regexp(t, `^agent \S+\ncommit \S+\nbuilt with go1\.`, r.stdout)
	asJSON := execute(t, "version", "--json")
	require.Equal(t, 0, asJSON.code)
	var build agent.Build
	require.NoError(t, json.Unmarshal([]byte(asJSON.stdout), &build))
	require.Equal(t, agent.ReadBuild(), build)
}

func TestCheckSaysThatAConfigIsGood(t *testing.T) {
	h := newHost(t)
	h.configure(t, "[member]\n")
	r := execute(t, "check", "-f", h.config)
	require.Equal(t, result{0, h.config + " is good\n",
		"warning: " + h.config + ":9: the section member is ignored: this agent does not use it\n"}, r)
}

func TestCheckWarnsOfARegistryFileThatIsNotThereYet(t *testing.T) {
	h := newHost(t)
	require.Empty(t, execute(t, "check", "-f", h.config).stderr)
	registry := filepath.Join(h.dir, "registry.toml")
	require.NoError(t, os.Remove(registry))
	r := execute(t, "check", "-f", h.config)
	require.Equal(t, result{0, h.config + " is good\n", "warning: " + h.config + ": agent.registryaddr: the registry file " + registry +
		" does not exist yet; nothing is collected without it\n"}, r)
}

func TestCheckReadsTheRegistryFile(t *testing.T) {
	h := newHost(t)
	for content, says := range map[string]string{
		"[[namespace]]\nname = \"demo shop\"\n":                             `registry.toml:2: namespace.name: namespace "demo shop" contains ' '`,
		"[[namespace]]\nname = \"web\"\nintervall = 5\n":                    "registry.toml:3: namespace.intervall: no such key; is namespace.intervals meant?",
		"[[namespace]]\nname = \"web\"\n[[namespace.port]]\nport = 70000\n": `registry.toml:3: port "": its name`,
	} {
		h.write(t, "registry.toml", content)
		r := execute(t, "check", "-f", h.config)
		require.Equal(t, 1, r.code, content)
		require.Contains(t, r.stderr, says)
		require.NotContains(t, r.stdout, "is good")
	}
}

func TestCheckWarnsOfAKindThatDoesNotExist(t *testing.T) {
	h := newHost(t)
	h.configure(t, "collect.disable = [ \"MEM\" ]\n")
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web\"\n[namespace.intervals]\nmem = \"20s\"\nMEMM = \"10s\"\n")
	r := execute(t, "check", "-f", h.config)
	require.Equal(t, 0, r.code)
	require.Equal(t, 1, strings.Count(r.stderr, "warning"), r.stderr)
	require.Contains(t, r.stderr, "namespace web: intervals.MEMM: there is no such kind here; there are CPU MEM ")
}

func TestCheckWarnsOfARegistryWithoutEncryption(t *testing.T) {
	h := newHost(t)
	for address, warned := range map[string]bool{
		"http://registry.example.com": true, "http://10.0.0.1:8080": true, "https://registry.example.com": false,
		"http://127.0.0.1:8080": false, "http://[::1]": false, "http://localhost": false,
	} {
		content, err := os.ReadFile(h.config)
		require.NoError(t, err)
		config := h.write(t, "http.conf", strings.Replace(string(content), "file://"+h.dir+"/registry.toml", address, 1))
		r := execute(t, "check", "-f", config)
		require.Equal(t, 0, r.code, r.stderr)
		require.Equal(t, warned, strings.Contains(r.stderr, "warning: "+config+":3: agent.registryaddr: http is not encrypted"), "%s: %s", address, r.stderr)
	}
}

func TestCheckRefusesADataDirectoryInAPluginsPlace(t *testing.T) {
	h := newHost(t)
	h.configure(t, fmt.Sprintf("agent.datadir = %q\n", h.dir+"/plugins/web.shop/mysql"))
	r := execute(t, "check", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "agent.datadir: "+h.dir+"/plugins/web.shop/mysql is where the plugins of a namespace web.shop would be")
}

// failedWith is the exit code of the command if the config is wrong.
func failedWith(command string) int {
	if command == "start" {
		return exitConfig
	}
	return exitFailed
}

func TestAWrongConfigIsRefusedAtOnceByEveryCommandThatNeedsIt(t *testing.T) {
	h := newHost(t)
	h.configure(t, "output.format = \"xml\"\noutput.colour = 1\n")
	want := h.config + ":9: output.format: \"xml\" is not a format; write influx or json\n" +
		h.config + ":10: output.colour: no such key\n"
	for _, name := range []string{"check", "start", "collect"} {
		began := time.Now()
		r := execute(t, name, "-f", h.config)
		require.Equal(t, result{failedWith(name), "", "agent " + name + ": the config cannot be used:\n" + want}, r)
		require.Less(t, time.Since(began), 5*time.Second, "nothing is waited for")
	}
	require.NoFileExists(t, filepath.Join(h.dir, "agent.pid"))
}

func TestAConfigThatIsNotThereIsNamed(t *testing.T) {
	for _, name := range []string{"check", "start", "stop", "status", "collect"} {
		r := execute(t, name, "-f", "/nonexistent/agent.conf")
		require.Equal(t, failedWith(name), r.code, name)
		require.Contains(t, r.stderr, "there is no config: write it, or name another one with -f")
		require.Contains(t, r.stderr, "open /nonexistent/agent.conf: no such file or directory")
	}
}

func TestCollectPrintsLineProtocolOnce(t *testing.T) {
	h := newHost(t)
	r := execute(t, "collect", "-f", h.config, "mem", "CPU", "MEM")
	require.Equal(t, 0, r.code, r.stderr)
	require.Equal(t, 1, strings.Count(r.stdout, "mem.total,host=h1 value="), r.stdout)
	require.Equal(t, 1, strings.Count(r.stdout, "cpu.idle,host=h1 value="), "rates take two readings, within one collection")
	require.NotContains(t, r.stdout, "net.")
	require.NoDirExists(t, filepath.Join(h.dir, "plugins"), "collecting changes nothing")
}

func TestCollectSaysWhyAKindIsSwitchedOff(t *testing.T) {
	h := newHost(t)
	h.configure(t, "collect.disable = [ \"MEM\" ]\n")
	r := execute(t, "collect", "-f", h.config, "mem")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "the kind MEM is switched off in "+h.dir+"/agent.conf, by collect.disable")
}

func TestCollectMeasuresAMountedHost(t *testing.T) {
	h := newHost(t)
	root := "../../internal/hostmetrics/testdata/hosts/server/before"
	r := execute(t, "collect", "-f", h.config, "--root", root, "MEM")
	require.Equal(t, 0, r.code, r.stderr)
	golden, err := os.ReadFile("../../internal/hostmetrics/testdata/hosts/server/golden")
	require.NoError(t, err)
	total := regexp.MustCompile(`(?m)^mem\.total (.*)$`).FindStringSubmatch(string(golden))
	require.Contains(t, r.stdout, "mem.total,host=h1 value="+total[1]+" ")

	r = execute(t, "collect", "-f", h.config, "--root", t.TempDir(), "MEM")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "no host is mounted at ")
}

func TestCollectKnowsThePortsOfTheRegistry(t *testing.T) {
	h := newHost(t)
	r := execute(t, "collect", "-f", h.config, "PORT")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "PORT.api,host=h1 value=0 ")
}

func TestHelpDescribesACommand(t *testing.T) {
	r := execute(t, "help", "start")
	require.Equal(t, 0, r.code)
	require.True(t, strings.HasPrefix(r.stdout, "Usage: agent start [-f FILE]\n"), r.stdout)
	require.Equal(t, 2, execute(t, "help", "nonsense").code)
}

func TestATimeWithoutAUnitIsExplained(t *testing.T) {
	r := execute(t, "plugin", "test", "--interval", "5", t.TempDir())
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, `agent plugin test: --interval "5": write a number with its unit, such as 5s or 1m`)
}

func TestAPathInPlaceOfTheRegistrysAddressIsExplained(t *testing.T) {
	h := newHost(t)
	r := execute(t, "check", "-f", h.write(t, "other.conf", "agent.registryaddr = \"/etc/agent-registry.toml\"\noutput.name = \"stdout\"\n"))
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, `agent.registryaddr: "/etc/agent-registry.toml" is a path; write "file:///etc/agent-registry.toml" for a registry file`)
}

func TestSeveralErrorsAreAList(t *testing.T) {
	require.Equal(t, "one", list(errors.New("one")))
	require.Equal(t, "several things went wrong:\n  - one\n  - two", list(errors.Join(errors.New("one"), errors.New("two"))))
	require.Equal(t, "the config cannot be used:\na:1: b", list(errors.New("the config cannot be used:\na:1: b")))
}
