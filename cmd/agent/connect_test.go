package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/addresstest"
	"github.com/lodastack/agent/internal/gittest"
)

func TestCheckConnectSaysWhatEachAnswers(t *testing.T) {
	h := newHost(t)
	root := gittest.NewRoot(t)
	repo := root.Plugin("acme/hello", "echo []\n")
	h.configure(t, "agent.git = \""+root.Template()+"\"\nagent.gituser = \"root\"\n")
	registry := "registry file://" + h.dir + "/registry.toml answers: the host h1 is in the namespace web.shop\n"
	nsqd := "nsqd " + h.nsqd.Addr() + " answers\n"
	require.Equal(t, result{0, h.config + " is good\n" + registry + nsqd +
		"git " + root.Dir + " is there; no plugin is assigned that git could be asked for\n", ""}, withoutWarnings(execute(t, "check", "--connect", "-f", h.config)))

	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n[[namespace.plugin]]\nname = \"hello\"\nrepo = \"acme/hello\"\n")
	commit := strings.TrimSpace(repo.Git("rev-parse", "release"))
	require.Equal(t, result{0, h.config + " is good\n" + registry + nsqd +
		"git acme/hello answers: " + commit[:12] + " would be installed\n", ""}, withoutWarnings(execute(t, "check", "--connect", "-f", h.config)))

	require.NoError(t, os.RemoveAll(filepath.Join(root.Dir, "acme")))
	h.nsqd.Stop()
	r := execute(t, "check", "--connect", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, registry, "the others are asked all the same")
	require.Contains(t, r.stdout, "nsqd "+h.nsqd.Addr()+" FAILS: connect: connection refused\n")
	require.Contains(t, r.stdout, "git acme/hello FAILS: git says: ")
	require.Contains(t, r.stderr, "agent check: 2 of them do not answer as they should\n")
}

func withoutWarnings(r result) result {
	var kept strings.Builder
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, "warning: ") {
			kept.WriteString(line)
		}
	}
	r.stderr = kept.String()
	return r
}

func TestCheckConnectDoesNotWaitForThoseThatHang(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	hung, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer hung.Close()
	h := newHost(t)
	content, err := os.ReadFile(h.config)
	require.NoError(t, err)
	h.write(t, "agent.conf", strings.NewReplacer(
		"file://"+h.dir+"/registry.toml", "http://u:s3cret@"+hung.Addr().String(),
		h.nsqd.Addr(), hung.Addr().String()).Replace(string(content))+"agent.git = \"https://"+addresstest.Free(t)+"/%s.git\"\n")
	began := time.Now()
	r := execute(t, "check", "--connect", "-f", h.config)
	require.Less(t, time.Since(began), 15*time.Second)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "registry http://u:hidden@"+hung.Addr().String()+" FAILS: ")
	require.Contains(t, r.stdout, "nsqd "+hung.Addr().String()+" FAILS: no answer in time\n")
	require.Contains(t, r.stdout, " FAILS: no connection: connect: connection refused\n")
	require.NotContains(t, r.stdout+r.stderr, "s3cret")
}
