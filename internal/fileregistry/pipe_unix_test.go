//go:build unix

package fileregistry_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/fileregistry"
	"github.com/stretchr/testify/require"
)

func TestWhatIsNoRegularFileIsRefusedWithoutWaiting(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, name := range []string{dir, pipe} {
		registry, err := fileregistry.New(fileregistry.Config{Address: "file://" + name})
		require.NoError(t, err)
		_, err = registry.Assignments(t.Context(), agent.Host{})
		require.ErrorContains(t, err, name+" is not a regular file")
	}
}
