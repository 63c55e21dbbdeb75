//go:build linux

package gitrunner_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// runDaemon runs an installed plugin as a daemon, and returns what it printed before
// it ended, or before the time was over.
func runDaemon(t *testing.T, script string, limit time.Duration) (string, error) {
	plugins := tempDir(t)
	r, _ := installed(t, script, in(plugins))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var printed strings.Builder
	err := r.RunDaemon(ctx, mysql(), nil, func(lines []byte) error { printed.Write(lines); return nil })
	require.Zero(t, processesIn(t, filepath.Join(plugins, "db.example/mysql")), "nothing of it is left")
	return printed.String(), err
}

func TestDaemonsThatMisbehaveEndWithAReason(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	for name, c := range map[string]struct {
		script string
		result agent.RunResult
		want   string
	}{
		"a line that never ends":     {"exec tr '\\0' x < /dev/zero", agent.RunOutput, "a line of more than 64 KiB"},
		"exit":                       {"echo a; exit 3", agent.RunExit, "exited with status 3"},
		"killed by itself":           {"kill -9 $$", agent.RunExit, `the signal "killed"`},
		"ends while its child lives": {`(trap "" TERM; sleep 1000) & exit 4`, agent.RunExit, "exited with status 4"},
		"cannot start":               {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.script == "" {
				r := newRunner(t, "")
				err := r.RunDaemon(t.Context(), mysql(), nil, func([]byte) error { return nil })
				requireResult(t, agent.RunStart, err)
				return
			}
			_, err := runDaemon(t, c.script, time.Minute)
			requireResult(t, c.result, err)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestDaemonThatClosesItsOutputGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	began := time.Now()
	printed, err := runDaemon(t, "echo a; exec >&- 2>&-; exec sleep 1000", 500*time.Millisecond)
	require.Error(t, err)
	require.Equal(t, "a\n", printed)
	require.GreaterOrEqual(t, time.Since(began), 500*time.Millisecond)
}

func TestWhatADaemonPrintsLastIsReadThoughItsReaderIsSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	r, _ := installed(t, "seq 1 5000")
	n := 0
	require.NoError(t, r.RunDaemon(t.Context(), mysql(), nil, func(lines []byte) error {
		n += strings.Count(string(lines), "\n")
		<-time.After(50 * time.Millisecond) // the reader, not the test, is slow
		return nil
	}))
	require.Equal(t, 5000, n)
}

func TestDaemonThatFloodsWaitsForItsReader(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	plugins := tempDir(t)
	r, _ := installed(t, "echo $$ > $HOME/pid; exec yes", in(plugins))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	written := -1
	require.Error(t, r.RunDaemon(ctx, mysql(), nil, func([]byte) error {
		if written < 0 { // once the reader goes on, so does the daemon until it is ended
			written = writtenUntilItWaits(t, filepath.Join(plugins, ".agent-state/db.example/mysql/pid"))
			runtime.ReadMemStats(&after)
			cancel()
		}
		return nil
	}))
	require.Positive(t, written)
	require.Less(t, written, 256<<10, "the pipe and one piece")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

// writtenUntilItWaits returns how much the process whose number is in a file has
// written, in bytes, once it waits for its reader.
func writtenUntilItWaits(t *testing.T, pidFile string) (written int) {
	pid, err := os.ReadFile(pidFile)
	assert.NoError(t, err)
	process := filepath.Join("/proc", strings.TrimSpace(string(pid)))
	assert.Eventually(t, func() bool {
		status, _ := os.ReadFile(process + "/status")
		io, _ := os.ReadFile(process + "/io")
		_, count, _ := strings.Cut(string(io), "\nwchar: ")
		before := written
		_, err := fmt.Sscan(count, &written)
		waits := strings.HasPrefix(string(status), "Name:\tyes\n") && strings.Contains(string(status), "\nState:\tS")
		return err == nil && waits && written == before
	}, 10*time.Second, 5*time.Millisecond)
	return written
}
