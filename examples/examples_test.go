// Package examples_test builds the examples and runs them as a user does.
package examples_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	buildLimit = 5 * time.Minute // on a machine that has built nothing yet
	runLimit   = 30 * time.Second
)

// program is an example that runs.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	temp   string // its temporary directory
	stdout *bufio.Reader
	stderr *bufio.Reader
}

// start builds an example and runs it.
func start(t *testing.T, name string, args ...string) *program {
	building, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	binary := filepath.Join(t.TempDir(), name)
	output, err := exec.CommandContext(building, "go", "build", "-o", binary, "./"+name).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return run(t, binary, args...)
}

// run runs a program that is built.
func run(t *testing.T, binary string, args ...string) *program {
	running, cancel := context.WithTimeout(t.Context(), runLimit)
	t.Cleanup(cancel)
	p := &program{t: t, cmd: exec.CommandContext(running, binary, args...), temp: t.TempDir()}
	p.cmd.Env = append(os.Environ(), "TMPDIR="+p.temp)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	p.stdout, p.stderr = bufio.NewReader(stdout), bufio.NewReader(stderr)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

// waitFor reads until a line matches and returns what its group matches.
func waitFor(t *testing.T, from *bufio.Reader, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern)
	var before strings.Builder
	for {
		line, err := from.ReadString('\n')
		if found := match.FindStringSubmatch(strings.TrimSuffix(line, "\n")); found != nil {
			return found[len(found)-1]
		}
		require.NoError(t, err, "no line matches %s:\n%s", pattern, before.String())
		before.WriteString(line)
	}
}

// interrupt does what Ctrl-C does, and requires a clean end that leaves
// nothing behind.
func (p *program) interrupt() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(os.Interrupt))
	p.requireCleanEnd()
}

func (p *program) requireCleanEnd() {
	p.t.Helper()
	go func() { _, _ = io.Copy(io.Discard, p.stdout) }() // Wait ends it: it closes the pipe
	stderr, _ := io.ReadAll(p.stderr)
	require.NoError(p.t, p.cmd.Wait(), "%s", stderr)
	left, err := os.ReadDir(p.temp)
	require.NoError(p.t, err)
	require.Empty(p.t, left)
}

// write writes a file and returns its path.
func write(t *testing.T, name, content string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestCollectorMeasuresItsQueueBesideTheHost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	registry := write(t, "registry.toml", "[[namespace]]\nname = \"demo\"\n")
	state := t.TempDir()
	config := write(t, "agent.conf", fmt.Sprintf(`
[agent]
	listen = "127.0.0.1:0"
	registryaddr = "file://%s"
	pluginsdir = "%s/plugins"
	pidfile = "%[2]s/agent.pid"
[output]
	name = "stdout"
`, registry, state))
	p := start(t, "collector", "-f", config)
	waitFor(t, p.stdout, `^queue\.length,host=[^,]+,queue=jobs value=1 \d+$`)
	p.interrupt()
}

func TestOutputWritesToInfluxDB(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	written := make(chan string)
	influx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case written <- r.URL.String() + "\n" + string(body):
			w.WriteHeader(http.StatusNoContent)
		case <-r.Context().Done():
		}
	}))
	defer influx.Close()
	p := start(t, "output", "-url", influx.URL, "-ns", "web")
	measured := regexp.MustCompile(`(?m)^[a-z.]+,host=\S+ value=\S+ \d{10}$`)
	for request := range written { // some have other tags, too, such as those of a login
		require.Contains(t, request, "/write?precision=s&db=web\n")
		if measured.MatchString(request) {
			break
		}
	}
	go func() {
		for range written { // what is delivered at the end
			continue
		}
	}()
	p.interrupt()
	influx.Close()
	close(written)
}

func TestRegistryGoesByTheHostsName(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	inventory := write(t, "fleet.json", `[
		{"hosts": "web-*", "namespace": "shop.web", "seconds": {"CPU": 5}},
		{"hosts": "db-*", "namespace": "shop.db"}
	]`)
	p := start(t, "registry", "-inventory", inventory, "-hostname", "web-3")
	waitFor(t, p.stdout, `^cpu\.idle,host=web-3 value=\S+ \d+$`)
	p.interrupt()
}

func TestPipelinePrintsEachPoint(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := start(t, "pipeline", "-listen", "127.0.0.1:0", "-points")
	waitFor(t, p.stdout, `^agent\.alive,host=\S+ value=1 \d+$`)
	p.interrupt()
}

func TestPipelineSaysWhatToDoAndWhatArrives(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := start(t, "pipeline")
	// The usual port is another program's, perhaps.
	address := waitFor(t, p.stdout, `^post   curl -d .* 'http://(\S+)/post\?ns=demo'$`)
	waitFor(t, p.stdout, ` points/s .* backlog 0  cpu\.idle `)

	response, err := http.Post("http://"+address+"/post?ns=demo", "application/json", strings.NewReader(`[{"name": "jobs", "value": 3}]`))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	waitFor(t, p.stdout, `  last post: RUN\.jobs 3$`)
	p.interrupt()
}

func TestPipelineTakesAnotherPortWhereTheUsualOneIsTaken(t *testing.T) {
	if taken, err := net.Listen("tcp", "127.0.0.1:1232"); err == nil { // else another program has taken it
		defer taken.Close()
	}
	p := start(t, "pipeline")
	require.NotEqual(t, "127.0.0.1:1232", waitFor(t, p.stdout, `^open   http://(\S+)/$`))
	waitFor(t, p.stdout, ` points/s .* cpu\.idle `)
	p.interrupt()
}

func TestPipelineEndsByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := start(t, "pipeline", "-listen", "127.0.0.1:0", "-for", "1s")
	p.requireCleanEnd()
}

func TestWrongUseIsExplained(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, args := range map[string][]string{
		"collector": {"-f", "/nonexistent/agent.conf"},
		"output":    {"-ns", ""},
		"registry":  {"-hostname", "a b"},
		"pipeline":  {"-listen", "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, name, args...)
			stderr, err := io.ReadAll(p.stderr)
			require.NoError(t, err)
			require.Contains(t, string(stderr), name+": ")
			require.NotContains(t, string(stderr), "goroutine")
			_ = p.cmd.Wait()
			require.Equal(t, 1, p.cmd.ProcessState.ExitCode())
		})
	}
}
