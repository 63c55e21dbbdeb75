//go:build linux

package hostmetrics_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// TestAFileThatIsMissingOrUnreadableCostsOnlyWhatNeedsIt removes each file of a host. A
// measurement that changes then must name the file as its source in the table.
func TestAFileThatIsMissingOrUnreadableCostsOnlyWhatNeedsIt(t *testing.T) {
	for _, host := range []string{"server", "linux-2.6.32", "container", "processes", "services"} {
		dir := t.TempDir()
		require.NoError(t, copyTree(filepath.Join("testdata", "hosts", host), dir))
		whole := measureMoments(t, dir)
		require.NotEmpty(t, whole)
		for _, file := range filesOf(t, filepath.Join(dir, "before")) {
			for _, way := range []string{"missing", "unreadable"} {
				restore := spoil(t, dir, file, way == "unreadable")
				left := measureMoments(t, dir)
				restore()
				for measurement := range whole {
					if !slices.Equal(whole[measurement], left[measurement]) {
						require.True(t, needs(measurement, file), "%s: %s depends on %s, which is %s", host, measurement, file, way)
					}
				}
				for measurement := range left {
					require.Contains(t, whole, measurement, "%s: without %s", host, file)
				}
			}
		}
	}
}

// spoil removes a file at both moments, or replaces it by a directory, which root cannot read
// either.
func spoil(t *testing.T, dir, file string, replace bool) (restore func()) {
	var undo []func()
	for _, moment := range []string{"before", "after"} {
		path, aside := filepath.Join(dir, moment, file), filepath.Join(dir, moment+".aside")
		if err := os.Rename(path, aside); err != nil {
			require.ErrorIs(t, err, fs.ErrNotExist)
			continue
		}
		if replace {
			require.NoError(t, os.Mkdir(path, 0o755))
		}
		undo = append(undo, func() {
			if replace {
				require.NoError(t, os.Remove(path))
			}
			require.NoError(t, os.Rename(aside, path))
		})
	}
	return func() {
		for _, f := range slices.Backward(undo) { // both moments may share the file
			f()
		}
	}
}

func filesOf(t *testing.T, dir string) (names []string) {
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && filepath.Base(filepath.Dir(path)) != "fd" {
			names = append(names, strings.TrimPrefix(path, dir))
		}
		return err
	}))
	return names
}

// needs reports whether the table names a file as a source of a measurement.
func needs(measurement, file string) bool {
	file = regexp.MustCompile(`^/sys/devices/.*/net/`).ReplaceAllString(file, "/sys/class/net/") // where its links lead
	placeholder := regexp.MustCompile(`[A-Z]{3,}`)
	for _, m := range hostmetrics.Measurements() {
		if m.Name != measurement {
			continue
		}
		for _, source := range regexp.MustCompile(`/[^,; ]+`).FindAllString(m.Source, -1) {
			pattern := placeholder.ReplaceAllString(strings.ReplaceAll(source, "PATH", ".+"), `[^/]+`)
			if source != "/proc" && regexp.MustCompile("^"+pattern+"(/|$)").MatchString(file) {
				return true
			}
		}
	}
	return false
}

// measureMoments returns the lines of each measurement of the host in dir.
func measureMoments(t *testing.T, dir string) (got map[string][]string) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, host: dir, Root: filepath.Join(dir, "root")}
		w.show("before")
		kinds := hostmetrics.Kinds(hostmetrics.Config{Root: w.Root, Disable: []string{"TIME", "PORT"}, Detail: hostmetrics.DetailedKinds(), Include: globs{Cgroups: []string{"*"}}})
		hostmetrics.FakeFileSystems(kinds, func(string, bool) (hostmetrics.Space, bool, error) {
			return hostmetrics.Space{Blocks: 100, Free: 50, Available: 50, Inodes: 10, FreeInodes: 5}, true, nil
		})
		collectEach(t, kinds)
		w.show("after")
		time.Sleep(10 * time.Second)
		got = collectEach(t, kinds)
	})
	return got
}

// collectEach collects all kinds. Errors belong to what was spoilt.
func collectEach(t *testing.T, kinds []hostmetrics.Kind) map[string][]string {
	byName := make(map[string][]string)
	for _, k := range kinds {
		for _, m := range measure(t, k) {
			name := strings.Replace(m.Name, "PROC.nginx", "NAME", 1)
			byName[name] = append(byName[name], line(m))
		}
	}
	return byName
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}
