//go:build linux

package gitrunner_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/policy"
)

// envFile returns a file of variables that only the test's user may read.
func envFile(t testing.TB, content string) string {
	path := filepath.Join(t.TempDir(), "mysql.env")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestPluginGetsTheVariablesOfItsRuleAlone(t *testing.T) {
	path := envFile(t, "# for the database\n\n  PASSWORD= a=\"b\" #c \nEMPTY=\n")
	var log strings.Builder
	r := newRunner(t, "", rule(policy.Rule{Env: path}), func(c *gitrunner.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	dir := script(t, `echo "[$PASSWORD][${EMPTY-unset}]"; exit 3`)
	res, err := r.RunDir(t.Context(), dir, mysql(), nil)
	require.Equal(t, "[ a=\"b\" #c ][]\n", string(res.Stdout))
	require.ErrorContains(t, err, "exited with status 3")
	require.NotContains(t, err.Error()+log.String(), `a="b"`)

	res, _ = r.RunDir(t.Context(), dir, other(), nil)
	require.Equal(t, "[][unset]\n", string(res.Stdout))

	require.NoError(t, os.WriteFile(path, []byte("PASSWORD=new"), 0o600))
	res, _ = r.RunDir(t.Context(), dir, mysql(), nil)
	require.Equal(t, "[new][unset]\n", string(res.Stdout), "the file is read at each run")
}

func TestVariablesAreReadableForNoOtherUser(t *testing.T) {
	needRoot(t)
	path := envFile(t, "PASSWORD=secret")
	r := newRunner(t, "", rule(policy.Rule{User: "daemon", Env: path}))
	secret := script(t, "exec sleep 20")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.RunDir(ctx, secret, mysql(), nil)
	}()
	defer func() { cancel(); <-ended }()
	require.Eventually(t, func() bool { return processesIn(t, secret) > 0 }, slack, 10*time.Millisecond)
	res, err := r.RunDir(t.Context(), script(t, `cat /proc/[0-9]*/environ `+path+` 2>/dev/null | tr '\0' '\n'`), other(), nil)
	require.NoError(t, err)
	require.Contains(t, string(res.Stdout), "AGENT_PLUGIN=PLUGIN.nginx", "it reads its own")
	require.NotContains(t, string(res.Stdout), "secret")
}

func TestFileOfVariablesThatIsWrongIsRefusedWithoutItsValues(t *testing.T) {
	for name, c := range map[string]struct {
		file func(t *testing.T) string
		want string
	}{
		"missing":        {func(t *testing.T) string { return t.TempDir() + "/none" }, "no such file"},
		"for the group":  {func(t *testing.T) string { return mode(t, envFile(t, "A=s3cret"), 0o640) }, "may be read or changed by others than its owner (mode 0640); run chmod 0600"},
		"for all":        {func(t *testing.T) string { return mode(t, envFile(t, "A=s3cret"), 0o604) }, "a secret that every user may read"},
		"writable":       {func(t *testing.T) string { return mode(t, envFile(t, "A=s3cret"), 0o620) }, "others"},
		"directory":      {func(t *testing.T) string { return t.TempDir() }, "is a directory"},
		"named pipe":     {func(t *testing.T) string { p := t.TempDir() + "/p"; syscall.Mkfifo(p, 0o600); return p }, "is a named pipe"},
		"device":         {func(*testing.T) string { return "/dev/zero" }, "is not a regular file"},
		"another user's": {func(t *testing.T) string { needRoot(t); p := envFile(t, "A=s3cret"); os.Chown(p, 1, 1); return p }, "belongs to"},
		"another user's link": {func(t *testing.T) string {
			needRoot(t)
			link := t.TempDir() + "/link"
			os.Symlink(envFile(t, "A=s3cret"), link)
			os.Lchown(link, 1, 1)
			return link
		}, "leads through a directory of another user"},
		"too large":  {func(t *testing.T) string { return envFile(t, "A="+strings.Repeat("s3cret", 20_000)) }, "is larger than 65536 bytes"},
		"no name":    {func(t *testing.T) string { return envFile(t, "A=1\n=s3cret") }, "line 2: this is not NAME=VALUE"},
		"no value":   {func(t *testing.T) string { return envFile(t, "s3cret") }, "line 1: this is not NAME=VALUE"},
		"export":     {func(t *testing.T) string { return envFile(t, "export A=s3cret") }, "line 1: this is not NAME=VALUE"},
		"digit":      {func(t *testing.T) string { return envFile(t, "1A=s3cret") }, "line 1: this is not NAME=VALUE"},
		"twice":      {func(t *testing.T) string { return envFile(t, "A=s3cret\nA=s3cret") }, "line 2: A is set twice"},
		"zero byte":  {func(t *testing.T) string { return envFile(t, "A=s3cret\x00B=1") }, "line 1: the value of A contains a zero byte"},
		"CRLF":       {func(t *testing.T) string { return envFile(t, "A=s3cret\r\n") }, "line 1: the line ends as on Windows"},
		"agent's":    {func(t *testing.T) string { return envFile(t, "AGENT_STATE_DIR=s3cret") }, "AGENT_STATE_DIR is set by the agent"},
		"path":       {func(t *testing.T) string { return envFile(t, "PATH=s3cret") }, "PATH is set by the agent"},
		"the loader": {func(t *testing.T) string { return envFile(t, "LD_PRELOAD=s3cret") }, "LD_PRELOAD is refused"},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.file(t)
			require.ErrorContains(t, gitrunner.CheckEnvFile(path), c.want)
			r := newRunner(t, "", rule(policy.Rule{Env: path}))
			_, err := r.RunDir(t.Context(), script(t, "true"), mysql(), nil)
			requireResult(t, agent.RunPolicy, err)
			var refused *agent.PolicyError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "policy.plugin.env", refused.Rule)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func mode(t *testing.T, path string, mode os.FileMode) string {
	require.NoError(t, os.Chmod(path, mode))
	return path
}
