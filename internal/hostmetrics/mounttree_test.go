//go:build linux

package hostmetrics_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// measuredMounts returns the tags of the file systems that are measured where
// mountinfo has these lines.
func measuredMounts(t *testing.T, mountinfo ...string) (tags []string) {
	kinds := hostmetrics.Kinds(hostmetrics.Config{Root: mounted(t, strings.Join(mountinfo, "\n")+"\n")})
	hostmetrics.FakeFileSystems(kinds, func(string, bool) (hostmetrics.Space, bool, error) {
		return hostmetrics.Space{Blocks: 1}, true, nil
	})
	metrics, err := collector(t, kinds, "FS").Collect(t.Context())
	require.NoError(t, err)
	for _, m := range metrics {
		if m.Name == "fs.space.total" {
			tags = append(tags, m.Tags["mount"])
		}
	}
	return tags
}

func TestCoveredMountsAreNotMeasured(t *testing.T) {
	const root = "27 1 8:1 / / rw - ext4 /dev/sda1 rw"
	for name, c := range map[string]struct{ mounts, want []string }{
		"one over the other": {
			[]string{root, "30 27 8:2 / /mnt rw - ext4 /dev/sdb rw", "31 30 8:3 / /mnt rw - ext4 /dev/sdc rw"},
			[]string{"/", "/mnt"},
		},
		"two at one place": {
			[]string{root, "30 27 8:2 / /mnt rw - ext4 /dev/sdb rw", "31 27 8:3 / /mnt rw - ext4 /dev/sdc rw"},
			[]string{"/", "/mnt"},
		},
		"one above it": {
			[]string{root, "30 27 8:2 / /mnt/data rw - ext4 /dev/sdb rw", "31 27 8:3 / /mnt rw - ext4 /dev/sdc rw"},
			[]string{"/", "/mnt"},
		},
		"one above what it is mounted on": {
			[]string{root, "30 27 8:2 / /a/b rw - ext4 x rw", "31 30 8:3 / /a/b/c rw - ext4 x rw", "32 27 8:4 / /a rw - ext4 x rw", "33 32 8:5 / /a/b rw - ext4 x rw"},
			[]string{"/", "/a", "/a/b"},
		},
		"over what it is mounted on": {
			[]string{root, "30 27 8:2 / /a rw - ext4 x rw", "31 30 8:3 / /a/b rw - ext4 x rw", "32 30 8:4 / /a rw - ext4 x rw"},
			[]string{"/", "/a"},
		},
		"one in the other": {
			[]string{root, "30 27 8:2 / /mnt rw - ext4 x rw", "31 30 8:3 / /mnt/data rw - ext4 x rw", "32 27 8:4 / /mnt2 rw - ext4 x rw"},
			[]string{"/", "/mnt", "/mnt/data", "/mnt2"},
		},
		"all over the first root": {
			[]string{"1 1 0:2 / / rw - ext4 x rw", "20 1 8:9 / /early rw - ext4 x rw", "27 1 8:1 / / rw - ext4 /dev/sda1 rw", "30 27 8:2 / /mnt rw - ext4 x rw"},
			[]string{"/", "/mnt"},
		},
		"in another order": {
			[]string{"31 30 8:3 / /mnt/data rw - ext4 x rw", "30 27 8:2 / /mnt rw - ext4 x rw", root},
			[]string{"/", "/mnt", "/mnt/data"},
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, measuredMounts(t, c.mounts...)) })
	}
}

func TestTheRootIsMeasuredWhateverItIsOn(t *testing.T) {
	for _, kind := range []string{"ext4", "tmpfs", "overlay", "fuse.fuse-overlayfs", "ramfs"} {
		require.Equal(t, []string{"/"}, measuredMounts(t, "27 1 0:1 / / rw - "+kind+" x rw", "30 27 0:2 / /tmp rw - "+strings.Replace(kind, "ext4", "tmpfs", 1)+" x rw"), kind)
	}
	require.Empty(t, measuredMounts(t, "27 1 0:1 / / ro - squashfs x ro"), "an image is full by nature")
}

func TestMountsThatDifferOnlyInBlanksAreTwoSeries(t *testing.T) {
	require.Equal(t, []string{`/a\040b`, "/a-b", "/c d"}, measuredMounts(t,
		`30 27 8:2 / /a\040b rw - ext4 x rw`, "31 27 8:3 / /a-b rw - ext4 x rw", `32 27 8:4 / /c\040d rw - ext4 x rw`))
}

// The paths of this test are real, and of one file system; the table says that
// something else is mounted there.
func TestNothingIsMeasuredWhereAnotherFileSystemIsFound(t *testing.T) {
	real, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	root := mounted(t, "27 1 999:998 / /mnt rw - ext4 /dev/sdz rw\n")
	require.NoError(t, os.Mkdir(filepath.Join(root, "mnt"), 0o755))
	kinds := hostmetrics.Kinds(hostmetrics.Config{Root: root})
	require.Equal(t, map[string]any{"/mnt": 1.0}, writability(t, kinds), "nothing is known of the mounts here")
	write(t, filepath.Join(root, "proc/self/mountinfo"), string(real))
	metrics, err := collector(t, kinds, "FS").Collect(t.Context())
	require.NoError(t, err)
	require.Empty(t, withPrefix(lines(metrics), "fs."))
}
