//go:build linux

package hostmetrics_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

func TestNamedControlGroupsMeasureAsTheGoldenFileSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		compareWithGolden(t, "services", "golden", hostmetrics.Config{
			Include: globs{Cgroups: []string{"nginx.service", "postgresql@*", "docker-*", "system.slice"}},
			Exclude: globs{Cgroups: []string{"user.slice/*/*/*/*"}},
			Disable: without(hostmetrics.KindNames(), []string{"CGROUP"}),
		})
	})
}

// cgroupsOf returns the control groups that are measured below root.
func cgroupsOf(t *testing.T, root string, c config) (names []string, err error) {
	synctest.Test(t, func(t *testing.T) {
		c.Root = root
		metrics, collectErr := collector(t, hostmetrics.Kinds(c), "CGROUP").Collect(t.Context())
		for _, m := range metrics {
			if m.Name == "cgroup.pids" {
				names = append(names, m.Tags["cgroup"])
			}
		}
		err = collectErr
	})
	return names, err
}

// cgroupTree makes a root directory with control groups of one process.
func cgroupTree(t *testing.T, mount string, names ...string) string {
	root := t.TempDir()
	write(t, filepath.Join(root, mount, "cgroup.controllers"), "cpu memory pids\n")
	for _, name := range names {
		write(t, filepath.Join(root, mount, name, "pids.current"), "1\n")
	}
	return root
}

func TestControlGroupsAreNamedByPathOrByTheLastPartOfIt(t *testing.T) {
	root := cgroupTree(t, "sys/fs/cgroup", "a.slice", "a.slice/x.service", "b.slice/x.service", "docker/0a1b", "docker/2c3d")
	for name, c := range map[string]struct {
		include, exclude, want []string
	}{
		"last part":     {[]string{"x.service"}, nil, []string{"a.slice/x.service", "b.slice/x.service"}},
		"path":          {[]string{"a.slice/*"}, nil, []string{"a.slice/x.service"}},
		"containers":    {[]string{"docker/*"}, nil, []string{"docker/0a1b", "docker/2c3d"}},
		"but for one":   {[]string{"docker/*"}, []string{"2c*"}, []string{"docker/0a1b"}},
		"but for paths": {[]string{"x.*"}, []string{"a.slice/*"}, []string{"b.slice/x.service"}},
		"none":          {[]string{"y.service"}, nil, nil},
	} {
		got, err := cgroupsOf(t, root, config{Include: globs{Cgroups: c.include}, Exclude: globs{Cgroups: c.exclude}})
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestTooManyControlGroupsAreBoundedAndSaid(t *testing.T) {
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("docker/%03d", i))
	}
	got, err := cgroupsOf(t, cgroupTree(t, "sys/fs/cgroup", names...), config{Include: globs{Cgroups: []string{"docker/*"}}})
	require.ErrorContains(t, err, "collect.include.cgroups names more than 256")
	require.Equal(t, names[:256], got)
}

func TestControlGroupsBesideThoseOfVersion1AreMeasured(t *testing.T) {
	c := config{Include: globs{Cgroups: []string{"*"}}}
	got, err := cgroupsOf(t, cgroupTree(t, "sys/fs/cgroup/unified", "x.service"), c)
	require.NoError(t, err)
	require.Equal(t, []string{"x.service"}, got)
	got, err = cgroupsOf(t, t.TempDir(), c)
	require.NoError(t, err, "a host without cgroup v2 has nothing to measure")
	require.Empty(t, got)
}

func TestWithoutAPatternControlGroupsAreNoKind(t *testing.T) {
	require.NotContains(t, kindsOf(config{Exclude: globs{Cgroups: []string{"*"}}}), "CGROUP")
	require.Contains(t, hostmetrics.KindNames(), "CGROUP")
}
