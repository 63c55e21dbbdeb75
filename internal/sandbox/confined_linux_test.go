package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sandbox"
)

// confined makes a shell script a command that may write to its directory alone.
// It runs as nobody if the test is root.
func confined(t *testing.T, s *sandbox.Supervisor, script string) sandbox.Command {
	if !s.Confinement().Files {
		t.Skip(s.Confinement().Reasons)
	}
	c := command(t, script)
	c.Writable = []string{c.Dir, "/no such directory"}
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(filepath.Dir(c.Dir), 0o755))
		c.User = &sandbox.User{UID: 65534, GID: 65534}
	}
	return c
}

func TestConfinedCommandWritesNowhereElse(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 100}}, func(t *testing.T, s *sandbox.Supervisor) {
		elsewhere := t.TempDir()
		require.NoError(t, os.Chmod(filepath.Dir(elsewhere), 0o755))
		require.NoError(t, os.Chmod(elsewhere, 0o777))
		require.NoError(t, os.WriteFile(elsewhere+"/file", []byte("whole"), 0o666))
		require.NoError(t, os.Chmod(elsewhere+"/file", 0o666))
		c := confined(t, s, `e=`+elsewhere+`
echo mine > mine && mkdir d && mv mine d/ && cat d/mine && rm -r d
echo > /dev/null && echo nothing
for f in "$e/new" "$e/file" /tmp/apart.$$ /var/tmp/apart.$$ /dev/shm/apart.$$; do echo x > "$f" && echo wrote "$f"; done
ln -s "$e/file" link; echo x > link && echo wrote through a link
ln "$e/file" hard && echo linked
mkdir "$e/dir" && echo made; mkfifo "$e/fifo" && echo made; rm "$e/file" && echo removed; mv "$e/file" . && echo moved; truncate -s 0 "$e/file" && echo truncated
(cd "$e"; setsid sh -c 'echo x > later' && echo wrote from a session)
exit 0`)
		res, err := s.Run(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "mine\nnothing\n", string(res.Stdout), string(res.Stderr))
		content, err := os.ReadFile(elsewhere + "/file")
		require.NoError(t, err)
		require.Equal(t, "whole", string(content))
	})
}

// Both run as the same user.
func TestConfinedCommandsAreKeptFromOneAnother(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true, Grace: time.Second}, func(t *testing.T, s *sandbox.Supervisor) {
		victim := confined(t, s, `echo $$ > pids; exec sleep 1000`)
		victim.Env = append(victim.Env, "PASSWORD=secret")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := s.Run(ctx, victim)
			ended <- err
		}()
		defer cancel()
		pid := 0
		require.Eventually(t, func() bool {
			text, _ := os.ReadFile(victim.Dir + "/pids")
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			return bytes.HasPrefix(environ, []byte("sleep"))
		}, 10*time.Second, 10*time.Millisecond)

		c := confined(t, s, fmt.Sprintf(`cat /proc/%[1]d/environ; cat /proc/%[1]d/maps; ls -l /proc/%[1]d/fd /proc/%[1]d/cwd; exit 0`, pid))
		res, err := s.Run(t.Context(), c)
		require.NoError(t, err)
		require.NotContains(t, string(res.Stdout), "secret")
		require.NotContains(t, string(res.Stdout), "->")

		tracer := confined(t, s, "")
		binary, err := os.ReadFile(os.Args[0])
		require.NoError(t, err)
		tracer.Path, tracer.Args = tracer.Dir+"/tracer", nil
		require.NoError(t, os.WriteFile(tracer.Path, binary, 0o755))
		tracer.Env = append(tracer.Env, "SANDBOX_TEST_ROLE=tracer", fmt.Sprint("VICTIM=", pid))
		res, err = s.Run(t.Context(), tracer)
		require.NoError(t, err)
		require.Equal(t, "operation not permitted\n", string(res.Stdout))

		if s.Confinement().Signals {
			c = confined(t, s, fmt.Sprintf(`kill -9 %[1]d; kill -9 -- -%[1]d; sleep 1000 & kill $! && echo own`, pid))
			res, err := s.Run(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, "own\n", string(res.Stdout))
			select {
			case err := <-ended:
				t.Fatal("the neighbour has ended:", err)
			case <-time.After(100 * time.Millisecond):
			}
		}
		cancel()
		require.ErrorIs(t, <-ended, sandbox.ErrEnded)
	})
}

// The processes that a confined command leaves are ended like those of others.
func TestNothingOfAConfinedCommandIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	eachKind(t, sandbox.Config{NoNewPrivs: true, Grace: 100 * time.Millisecond, Limits: sandbox.Limits{Processes: 20}}, func(t *testing.T, s *sandbox.Supervisor) {
		for range 3 {
			c := confined(t, s, `(setsid sh -c 'trap "" TERM; echo $$ >> pids; sleep 1000' &); trap "" TERM; echo $$ >> pids; while [ $(wc -l < pids) -lt 2 ]; do sleep 0.01; done; sleep 1000 & wait`)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := s.Run(ctx, c)
			cancel()
			require.ErrorIs(t, err, sandbox.ErrEnded)
			requireDead(t, c)
		}
	})
}
