package sdnotify_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sdnotify"
)

func TestWithoutSystemdNothingIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	m, err := sdnotify.FromEnvironment()
	require.NoError(t, err)
	require.NoError(t, m.Notify(sdnotify.Ready))
	require.Zero(t, m.WatchdogTimeout())
	require.NoError(t, m.Close())
}

func TestSocketThatNobodyReadsIsAnError(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", t.TempDir()+"/none")
	_, err := sdnotify.FromEnvironment()
	require.ErrorContains(t, err, "connect to systemd, as NOTIFY_SOCKET asks")
}

func TestStatusIsOneShortLine(t *testing.T) {
	require.Equal(t, "STATUS=one two", sdnotify.Status("one\n\ttwo\x20"))
	long := sdnotify.Status(strings.Repeat("ü", 1000))
	require.Less(t, len(long), 600)
	require.True(t, strings.HasSuffix(long, "…"))
	require.NotContains(t, sdnotify.Status("a\xffb"), "\xff")
}
