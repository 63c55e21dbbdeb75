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
