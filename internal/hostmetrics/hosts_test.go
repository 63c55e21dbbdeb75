//go:build linux

package hostmetrics_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// world is a root directory that shows a host of testdata/hosts before and
// after ten seconds have passed.
type world struct {
	t    *testing.T
	host string
	Root string
}

func newWorld(t *testing.T, host string) *world {
	path, err := filepath.Abs(filepath.Join("testdata", "hosts", host))
	require.NoError(t, err)
	// The kernel's files are read past the os package: only so does go test
	// notice a changed fixture and not answer from its cache.
	require.NoError(t, filepath.WalkDir(path, func(_ string, _ os.DirEntry, err error) error { return err }))
	w := &world{t: t, host: path, Root: filepath.Join(t.TempDir(), "root")}
	w.show("before")
	return w
}

func (w *world) show(moment string) {
	next := w.Root + ".next"
	require.NoError(w.t, os.Symlink(filepath.Join(w.host, moment), next))
	require.NoError(w.t, os.Rename(next, w.Root))
}

func TestEveryHostMeasuresAsItsGoldenFileSays(t *testing.T) {
	for _, host := range []string{"server", "linux-2.6.32", "container", "many-cores"} {
		t.Run(host, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { compareWithGolden(t, host, "golden", hostmetrics.Config{}) })
		})
	}
}

func TestADetailedHostMeasuresAsItsGoldenFileSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		detail := hostmetrics.DetailedKinds()
		compareWithGolden(t, "server", "golden.detail", hostmetrics.Config{Detail: detail, Disable: without(hostmetrics.KindNames(), detail)})
	})
}

func without(all, some []string) []string {
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(some, name) })
}

func compareWithGolden(t *testing.T, host, name string, c hostmetrics.Config) {
	w := newWorld(t, host)
	c.Root = w.Root
	kinds := hostmetrics.Kinds(c)
	hostmetrics.FakeFileSystems(kinds, func(path string, write bool) (hostmetrics.Space, bool, error) {
		return hostmetrics.Space{Blocks: 25600, Free: 6400, Available: 5120, Inodes: 1000, FreeInodes: 750},
			!strings.HasSuffix(path, "broken"), nil
	})
	var got strings.Builder
	for _, k := range kinds {
		if k.Name == "TIME" || k.Collector == nil {
			continue // asks the network, or is told what to measure
		}
		w.show("before")
		_, firstErr := k.Collector.Collect(context.Background())
		w.show("after")
		time.Sleep(10 * time.Second)
		metrics, err := k.Collector.Collect(context.Background())
		require.Equal(t, fmt.Sprint(firstErr), fmt.Sprint(err))
		if err != nil {
			fmt.Fprintf(&got, "# %s: %s\n", k.Name, strings.ReplaceAll(err.Error(), w.Root, ""))
		}
		for _, l := range lines(metrics) {
			fmt.Fprintln(&got, l)
		}
	}
	golden := filepath.Join("testdata", "hosts", host, name)
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}
