//go:build linux

package hostmetrics_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// tagValues are the values of a tag in a round of a kind, in their order.
func tagValues(t *testing.T, c hostmetrics.Config, kind, measurement, tag string) (values []string) {
	kinds := hostmetrics.Kinds(c)
	hostmetrics.FakeFileSystems(kinds, func(string, bool) (hostmetrics.Space, bool, error) {
		return hostmetrics.Space{Blocks: 1}, true, nil
	})
	metrics, err := collector(t, kinds, kind).Collect(t.Context())
	require.NoError(t, err)
	for _, m := range metrics {
		if m.Name == measurement {
			values = append(values, m.Tags[tag])
		}
	}
	return values
}

type (
	globs  = hostmetrics.Globs
	config = hostmetrics.Config
)

func TestTheConfigSelectsWhatIsMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		kind, measurement, tag string
		config                 config
		want                   []string
	}{
		"a mount not":           {"FS", "fs.space.total", "mount", config{Exclude: globs{Mounts: []string{"/mnt/*", "/"}}}, []string{"/srv/my data", "/var/log"}},
		"some mounts":           {"FS", "fs.space.total", "mount", config{Include: globs{Mounts: []string{"/mnt/*", "/"}}}, []string{"/", "/mnt/archive", "/mnt/broken", "/mnt/nfs"}},
		"a type not":            {"FS", "fs.space.total", "mount", config{Exclude: globs{FSTypes: []string{"nfs*", "btrfs", "xfs"}}}, []string{"/", "/mnt/archive", "/mnt/broken"}},
		"a type in memory":      {"FS", "fs.space.total", "mount", config{Include: globs{FSTypes: []string{"tmpfs"}}}, []string{"/dev/shm", "/mnt/nfs/covered"}},
		"both":                  {"FS", "fs.space.total", "mount", config{Include: globs{FSTypes: []string{"tmpfs"}}, Exclude: globs{Mounts: []string{"/dev/*"}}}, []string{"/mnt/nfs/covered"}},
		"one mount written":     {"FS", "fs.files.rw", "mount", config{Include: globs{RW: []string{"/"}}}, []string{"/"}},
		"one mount not written": {"FS", "fs.files.rw", "mount", config{Exclude: globs{RW: []string{"/mnt/*"}}}, []string{"/", "/srv/my data", "/var/log"}},
		"a disk not":            {"DISK", "disk.io.await", "device", config{Exclude: globs{Disks: []string{"nvme*"}}}, []string{"sda"}},
		"a disk of disks":       {"DISK", "disk.io.await", "device", config{Include: globs{Disks: []string{"dm-*", "sda"}}}, []string{"sda", "dm-0"}},
		"no partition":          {"DISK", "disk.io.await", "device", config{Include: globs{Disks: []string{"sd*"}}}, []string{"sda"}},
		"an interface not":      {"NET", "net.in", "interface", config{Exclude: globs{Interfaces: []string{"eno2", "w*"}}}, []string{"eno1"}},
		"a virtual interface":   {"NET", "net.in", "interface", config{Include: globs{Interfaces: []string{"lo", "eno1"}}}, []string{"lo", "eno1"}},
		"by prefix and by name": {"NET", "net.in", "interface", config{InterfacePrefixes: []string{"en"}, Include: globs{Interfaces: []string{"*1", "lo"}}}, []string{"eno1"}},
		"a sensor not":          {"DEV", "dev.temperature", "sensor", config{Exclude: globs{Sensors: []string{"coretemp*", "k10*"}}}, []string{"nvme0.Composite"}},
		"no sensor":             {"DEV", "dev.temperature", "sensor", config{Exclude: globs{Sensors: []string{"*"}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.config.Root = newWorld(t, "server").Root
				require.Equal(t, c.want, tagValues(t, c.config, c.kind, c.measurement, c.tag))
			})
		})
	}
}

func TestACoreThatIsLeftOutCountsInTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "server")
		cpu := collector(t, hostmetrics.Kinds(config{Root: w.Root, Exclude: globs{Cores: []string{"[1-9]"}}}), "CPU")
		cpu.Collect(t.Context())
		w.show("after")
		metrics, err := cpu.Collect(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"cpu.idle 75.3441802252816", `cpu.idle.core{core="0"} 82`}, withPrefix(lines(metrics), "cpu.idle"))
	})
}

const automounts = `27 1 8:1 / / rw - ext4 /dev/sda1 rw
28 27 0:40 / /home rw - autofs systemd-1 rw
29 28 0:45 / /home/ann rw - nfs4 10.0.0.9:/ann rw
30 27 0:41 / /data rw - autofs systemd-1 rw
31 30 8:2 / /data rw - ext4 /dev/sda2 rw
`

func TestWhatAnAutomounterMountedIsLeftAlone(t *testing.T) {
	root := mounted(t, automounts)
	mounts := func(c config) []string {
		c.Root = root
		return tagValues(t, c, "FS", "fs.space.total", "mount")
	}
	require.Equal(t, []string{"/"}, mounts(config{}))
	require.Equal(t, []string{"/", "/data"}, mounts(config{Include: globs{Mounts: []string{"/", "/data"}}}))
	require.Equal(t, []string{"/"}, mounts(config{Include: globs{FSTypes: []string{"*"}}}))
}

// sleepingDisks adds disks to /sys: sda sleeps, sdb does not. sda1, sdb1 and dm-0, which
// is on sda1, are 8:1, 8:17 and 253:0.
func sleepingDisks(t *testing.T, root string) {
	for device, dir := range map[string]string{"8:1": "sda/sda1", "8:17": "sdb/sdb1", "253:0": "dm-0"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, "sys/devices/block", dir), 0o755))
		link(t, root, "sys/dev/block/"+device, "../../devices/block/"+dir)
	}
	link(t, root, "sys/devices/block/dm-0/slaves/sda1", "../../sda/sda1")
	for disk, status := range map[string]string{"sda": "suspended", "sdb": "active"} {
		write(t, filepath.Join(root, "sys/devices/block", disk, "device/power/runtime_status"), status+"\n")
	}
}

func link(t *testing.T, root, name, target string) {
	path := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.Symlink(target, path))
}

func TestNoSleepingDiskIsWokenByATestOfWriting(t *testing.T) {
	root := mounted(t, `27 1 8:17 / / rw - ext4 /dev/sdb1 rw
28 27 8:1 / /a rw - ext4 /dev/sda1 rw
29 27 253:0 / /b rw - ext4 /dev/mapper/b rw
`)
	sleepingDisks(t, root)
	c := config{Root: root}
	require.Equal(t, []string{"/", "/a", "/b"}, tagValues(t, c, "FS", "fs.space.total", "mount"))
	require.Equal(t, []string{"/"}, tagValues(t, c, "FS", "fs.files.rw", "mount"))
	require.Equal(t, []string{
		"/a: its disk sda is suspended, and writing would wake it",
		"/b: its disk sda is suspended, and writing would wake it",
	}, leftOut(t, c, "fs.files.rw"))
}

func TestASensorOfASuspendedDeviceIsNotRead(t *testing.T) {
	root := t.TempDir()
	for chip, status := range map[string]string{"hwmon0": "suspended", "hwmon1": "active"} {
		dir := filepath.Join(root, "sys/class/hwmon", chip)
		write(t, dir+"/name", "drivetemp"+chip)
		write(t, dir+"/temp1_input", "30000")
		write(t, dir+"/device/power/runtime_status", status)
	}
	c := config{Root: root}
	require.Equal(t, []string{"drivetemphwmon1.temp1"}, tagValues(t, c, "DEV", "dev.temperature", "sensor"))
	require.Equal(t, []string{"drivetemphwmon0.temp1: its device is suspended"}, leftOut(t, c, "dev.temperature"))
}

func leftOut(t *testing.T, c config, name string) []string {
	all := hostmetrics.Measurements()
	i := slices.IndexFunc(all, func(m hostmetrics.Measurement) bool { return m.Name == name })
	require.GreaterOrEqual(t, i, 0)
	return hostmetrics.LeftOut(c, all[i])
}

func TestWhatTheConfigLeavesOutIsSaid(t *testing.T) {
	server, services := newWorld(t, "server").Root, newWorld(t, "services").Root
	for name, c := range map[string]struct {
		measurement string
		config      config
		want        []string
	}{
		"nothing":        {"net.in", config{}, nil},
		"no several":     {"mem.total", config{Exclude: globs{Mounts: []string{"*"}}}, nil},
		"a mount":        {"fs.space.used", config{Exclude: globs{Mounts: []string{"/mnt/n*"}}}, []string{`/mnt/nfs: collect.exclude.mounts has "/mnt/n*"`}},
		"a type":         {"fs.space.used", config{Exclude: globs{FSTypes: []string{"nfs4"}}}, []string{`/mnt/nfs: collect.exclude.fstypes has "nfs4"`}},
		"disks":          {"disk.io.util", config{Include: globs{Disks: []string{"[ndlmz]*"}}}, []string{"sda: collect.include.disks does not name it", "sr0: collect.include.disks does not name it"}},
		"an interface":   {"net.in", config{Exclude: globs{Interfaces: []string{"eno2"}}}, []string{`eno2: collect.exclude.interfaces has "eno2"`}},
		"a core":         {"cpu.idle.core", config{Exclude: globs{Cores: []string{"3"}}}, []string{`3: collect.exclude.cores has "3"`}},
		"a sensor":       {"dev.temperature", config{Exclude: globs{Sensors: []string{"nvme*"}}}, []string{`nvme0.Composite: collect.exclude.sensors has "nvme*"`}},
		"a cgroup":       {"cgroup.cpu", config{Root: services, Include: globs{Cgroups: []string{"*"}}, Exclude: globs{Cgroups: []string{"cron.*", "user.slice"}}}, []string{`system.slice/cron.service: collect.exclude.cgroups has "cron.*"`, `user.slice: collect.exclude.cgroups has "user.slice"`}},
		"an automount":   {"fs.space.used", config{Root: mounted(t, automounts)}, []string{"/home/ann: it is mounted on demand, and measuring it would keep it mounted; collect.include.mounts could name it", "/data: it is mounted on demand, and measuring it would keep it mounted; collect.include.mounts could name it"}},
		"a test":         {"fs.files.rw", config{Root: mounted(t, twoMounts), Exclude: globs{RW: []string{"/nfs"}}}, []string{`/nfs: collect.exclude.rw has "/nfs"`}},
		"a test at all?": {"fs.files.rw", config{Root: mounted(t, "27 1 8:1 / / ro - ext4 /dev/sda1 rw\n")}, []string{"/: it is mounted read-only"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.config.Root == "" {
				c.config.Root = server
			}
			require.Equal(t, c.want, leftOut(t, c.config, c.measurement))
		})
	}
}

func TestAGlobThatMatchesNothingIsRefused(t *testing.T) {
	for _, good := range []string{"*", "/mnt/*", "sd[a-c]", `a\[`} {
		require.NoError(t, hostmetrics.CheckGlob(good), good)
	}
	for _, bad := range []string{"", "[", "[]", `\`} {
		require.Error(t, hostmetrics.CheckGlob(bad), bad)
	}
	require.Regexp(t, regexp.MustCompile(`a \[ needs its \]`), hostmetrics.CheckGlob("["))
}
