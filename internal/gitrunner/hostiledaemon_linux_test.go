package gitrunner_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
)

// tryDaemon runs a script that says that it is a daemon, for a while. It gets a
// newline every 50 ms if toml wants one. Nothing of it is left.
func tryDaemon(t *testing.T, r *gitrunner.Runner, text, toml string, limit time.Duration) (gitrunner.RunResult, error) {
	dir := says(t, script(t, text), "mode = \"daemon\"\n"+toml)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	p := mysql()
	p.Interval = 50 * time.Millisecond
	res, err := r.RunDir(ctx, dir, p, nil)
	require.Zero(t, processesIn(t, dir), "nothing of it is left")
	return res, err
}

func TestHostileDaemonsCostOnlyThemselves(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const stdin = `signal = "stdin"`
	r := newRunner(t, "")
	for name, c := range map[string]struct {
		script, toml string
		printed      string // the beginning
		result       agent.RunResult
	}{
		"has an empty standard input":       {"read x || echo empty; exec sleep 1000", "", "empty\n", agent.RunOK},
		"gets a newline at each interval":   {"while read x; do echo tick$x; done; exec sleep 1000", stdin, "tick\ntick\ntick\n", agent.RunOK},
		"never reads":                       {"echo a; exec sleep 1000", stdin, "a\n", agent.RunOK},
		"closes its standard input":         {"exec <&-; echo a; exec sleep 1000", stdin, "a\n", agent.RunOK},
		"ignores its closed standard input": {`trap "" TERM; while read x; do :; done; echo closed; sleep 1000`, stdin, "closed\n", agent.RunOK},
		"closes its standard output":        {"echo a; exec >&- 2>&-; exec sleep 1000", "", "a\n", agent.RunOK},
		"is silent":                         {"exec sleep 1000", "", "", agent.RunOK},
		"forks away and exits":              {"echo a; setsid sleep 1000 & exit 0", "", "a\n", agent.RunExit},
		"forks twice away and exits":        {"echo a; setsid sh -c 'setsid sleep 1000 & exit 0' & exit 0", stdin, "a\n", agent.RunExit},
		"exits in the middle of a line":     {"printf 'a\nb'; exit 3", "", "a\nb", agent.RunExit},
		"prints a line that never ends":     {"exec tr '\\0' x < /dev/zero", "", "", agent.RunOutput},
		"writes to its standard error, too": {"for i in 1 2 3; do echo a; seq 2000 >&2; done; exec sleep 1000", "", "a\na\na\n", agent.RunOK},
		"asks for an unknown signal":        {"echo a", `signal = "USR1"`, "", agent.RunStart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := tryDaemon(t, r, c.script, c.toml, time.Second)
			require.True(t, strings.HasPrefix(string(res.Stdout), c.printed), "%q", res.Stdout)
			require.LessOrEqual(t, len(res.Stderr), 4<<10)
			if c.result == agent.RunOK {
				require.NoError(t, err)
				return
			}
			requireResult(t, c.result, err)
		})
	}
}
