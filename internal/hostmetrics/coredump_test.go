package hostmetrics_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

func TestEachCoreDumpIsReportedOnce(t *testing.T) {
	config := hostmetrics.Config{Root: t.TempDir(), StateDir: t.TempDir(), CoredumpDir: "/cores"}
	kinds := hostmetrics.Kinds(config)
	collect := func() []string {
		metrics, err := collector(t, kinds, "COREDUMP").Collect(t.Context())
		require.NoError(t, err)
		return lines(metrics)
	}
	now := time.Now().Unix()
	dump := func(service string, at int64) {
		write(t, filepath.Join(config.Root, "cores", fmt.Sprintf("core.%s.77.%d", service, at)), "")
	}
	require.Empty(t, collect(), "no directory")

	dump("old", now-7200)
	dump("nginx", now-60)
	write(t, filepath.Join(config.Root, "cores", "core.nginx.x.1"), "")
	write(t, filepath.Join(config.Root, "cores", "core.77.1"), "")
	require.NoError(t, os.Mkdir(filepath.Join(config.Root, "cores", "core.dir.1.1"), 0o755))
	require.Equal(t, []string{fmt.Sprintf(`app.service.coredump{service="nginx"} 1 at %d`, now-60)}, collect(), "the first look goes back an hour")
	require.Empty(t, collect())

	dump("nginx", now-50)
	dump("my.service", 12) // its clock was wrong
	kinds = hostmetrics.Kinds(config)
	require.Equal(t, []string{
		`app.service.coredump{service="my.service"} 1`,
		fmt.Sprintf(`app.service.coredump{service="nginx"} 1 at %d`, now-50),
	}, collect())
	kinds = hostmetrics.Kinds(config)
	require.Empty(t, collect())

	require.NoError(t, os.RemoveAll(filepath.Join(config.Root, "cores")))
	require.Empty(t, collect())
	dump("nginx", now-50)
	require.Empty(t, collect(), "a directory that was away for a while")
}

func TestCoreDumpsOfSystemdAreKnown(t *testing.T) {
	at := time.Now().Add(-time.Minute)
	name := func(service, end string) string {
		return fmt.Sprintf("core.%s.1000.0123456789abcdef0123456789abcdef.77.%d%s", service, at.UnixMicro(), end)
	}
	for file, service := range map[string]string{
		name("nginx", ".zst"):           "nginx",
		name("nginx", ""):               "nginx",
		name("nginx", ".lz4"):           "nginx",
		name(`my\x2eservice`, ".xz"):    "my.service",
		name(`a\x20b\x2fc`, ".zst"):     "a b/c",
		name("nginx", ".zst.tmp"):       "",
		".#" + name("nginx", ".zst"):    "",
		"core.my.service.77.1763974800": "my.service",
	} {
		config := hostmetrics.Config{Root: t.TempDir(), CoredumpDir: "/cores"}
		kinds := hostmetrics.Kinds(config)
		_, err := collector(t, kinds, "COREDUMP").Collect(t.Context()) // there is nothing yet
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(filepath.Join(config.Root, "cores"), 0o755))
		_, err = collector(t, kinds, "COREDUMP").Collect(t.Context())
		require.NoError(t, err)
		write(t, filepath.Join(config.Root, "cores", file), "")
		metrics, err := collector(t, kinds, "COREDUMP").Collect(t.Context())
		require.NoError(t, err)
		if service == "" {
			require.Empty(t, metrics, file)
			continue
		}
		require.Len(t, metrics, 1, file)
		require.Equal(t, service, metrics[0].Tags["service"])
	}
}
