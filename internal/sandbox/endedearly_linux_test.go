//go:build linux

package sandbox_test

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sandbox"
)

// A pid of 0, which a command has before its start, is the caller's own process group to
// kill(2).
func TestCommandThatIsEndedBeforeItStartsSignalsNobodyElse(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	defer signal.Stop(signals)
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			c := command(t, "exec sleep 1000")
			c.Stream = func(stdout io.Reader) error { _, err := io.Copy(io.Discard, stdout); return err }
			_, err := s.Run(ctx, c)
			require.ErrorIs(t, err, sandbox.ErrEnded)
		}
	})
	require.Empty(t, signals)
}
