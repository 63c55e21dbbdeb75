//go:build linux

package hostmetrics_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// files are contents of files by their path below a root.
type files map[string]string

func (f files) writeTo(t *testing.T, root string) {
	for name, content := range f {
		write(t, filepath.Join(root, name), content)
	}
}

// after returns what a kind measures of a host that shows these files one
// after the other, ten seconds apart. Errors belong to what was measured.
func after(t *testing.T, kind string, moments ...files) (got []string) {
	root := t.TempDir()
	moments[0].writeTo(t, root)
	k := collector(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), kind)
	for _, f := range moments {
		f.writeTo(t, root)
		metrics, err := k.Collect(t.Context())
		got = lines(metrics)
		if err != nil {
			got = append(got, strings.Split(strings.ReplaceAll("error: "+err.Error(), root, ""), "\n")...)
		}
		time.Sleep(10 * time.Second)
	}
	return got
}

// withPrefix returns the lines that begin with one of the prefixes.
func withPrefix(all []string, prefixes ...string) []string {
	return slices.DeleteFunc(all, func(l string) bool {
		return !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(l, prefix) })
	})
}

func meminfo(lines ...string) files {
	return files{"proc/meminfo": strings.Join(lines, " kB\n") + " kB\n"}
}

func TestMemoryThatCannotBeIsUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		shown files
		want  []string
	}{
		"more available than there is (btop#473)": {
			meminfo("MemTotal: 104857600", "MemFree: 1024", "MemAvailable: 110000000", "Buffers: 1024", "Cached: 2048"),
			[]string{"mem.total 102400", "mem.buffers 1", "mem.cached 2"},
		},
		"more swap free than there is (lxcfs#412)": {
			meminfo("MemTotal: 2048", "MemAvailable: 1024", "Buffers: 0", "Cached: 1024", "SwapTotal: 1024", "SwapFree: 2048"),
			[]string{"mem.total 2", "mem.used 1", "mem.free 1", "mem.buffers 0", "mem.cached 1", "mem.used.percent 50"},
		},
		"shared memory cannot be dropped": {
			meminfo("MemTotal: 1024000", "MemFree: 70732", "Buffers: 50588", "Cached: 330612", "Shmem: 300000"),
			[]string{"mem.total 1000", "mem.used 851.62890625", "mem.free 148.37109375", "mem.buffers 49.40234375", "mem.cached 322.86328125", "mem.used.percent 85.162890625"},
		},
		"more shared than cached": {
			meminfo("MemTotal: 1024", "MemFree: 512", "Buffers: 0", "Cached: 128", "Shmem: 256"),
			[]string{"mem.total 1", "mem.buffers 0", "mem.cached 0.125"},
		},
		"a sum of more than there is": {
			meminfo("MemTotal: 1024", "MemFree: 512", "Buffers: 0", "Cached: 1000"),
			[]string{"mem.total 1", "mem.buffers 0", "mem.cached 0.9765625"},
		},
		"lines that are missing": {
			meminfo("MemTotal: 1024", "MemFree: 512", "SwapTotal: 1024"),
			[]string{"mem.total 1"},
		},
		"no number": {
			meminfo("MemTotal: 1024", "MemAvailable: -5", "MemFree: 512", "Buffers: 256", "Cached: 0"),
			[]string{"mem.total 1", "mem.used 0.25", "mem.free 0.75", "mem.buffers 0.25", "mem.cached 0", "mem.used.percent 25"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { require.Equal(t, c.want, after(t, "MEM", c.shown)) })
		})
	}
}

func procStat(lines ...string) files {
	return files{"proc/stat": strings.Join(lines, "\n") + "\n", "proc/loadavg": "0 0 0 1/1 1\n", "proc/1/stat": ""}
}

func TestSharesOfProcessorsThatCannotBeAreUnknown(t *testing.T) {
	before := procStat("cpu  100 0 100 400000 500 0 0 0", "cpu0 50 0 50 200000 250 0 0 0", "cpu1 50 0 50 200000 250 0 0 0")
	for name, c := range map[string]struct {
		now  files
		want []string
	}{
		"all went forward": {
			procStat("cpu  110 0 110 400080 500 0 0 0", "cpu0 55 0 55 200040 250 0 0 0", "cpu1 55 0 55 200040 250 0 0 0"),
			[]string{"cpu.user 10", "cpu.nice 0", "cpu.system 10", "cpu.idle 80", "cpu.iowait 0", "cpu.irq 0", "cpu.softirq 0", "cpu.steal 0",
				`cpu.idle.core{core="0"} 80`, `cpu.idle.core{core="1"} 80`},
		},
		"the idle time of a processor that was switched off is gone (node_exporter#1903)": {
			procStat("cpu  120 0 110 970 500 0 0 0", "cpu0 55 0 55 200040 250 0 0 0", "cpu1 60 0 55 30 250 0 0 0"),
			[]string{`cpu.idle.core{core="0"} 80`},
		},
		"a processor is off": {
			procStat("cpu  110 0 110 400080 500 0 0 0", "cpu0 55 0 55 200040 250 0 0 0"),
			[]string{`cpu.idle.core{core="0"} 80`},
		},
		"a processor is new": {
			procStat("cpu  110 0 110 999980 500 0 0 0", "cpu0 55 0 55 200040 250 0 0 0", "cpu1 55 0 55 200040 250 0 0 0", "cpu2 0 0 0 599900 0 0 0 0"),
			[]string{`cpu.idle.core{core="0"} 80`, `cpu.idle.core{core="1"} 80`},
		},
		"iowait went back a little": {
			procStat("cpu  110 0 110 400080 499 0 0 0", "cpu0 55 0 55 200040 249 0 0 0", "cpu1 55 0 55 200040 250 0 0 0"),
			[]string{"cpu.user 10", "cpu.nice 0", "cpu.system 10", "cpu.idle 80", "cpu.irq 0", "cpu.softirq 0", "cpu.steal 0",
				`cpu.idle.core{core="0"} 80`, `cpu.idle.core{core="1"} 80`},
		},
		"iowait went back by much": {
			procStat("cpu  110 0 110 400080 0 0 0 0", "cpu0 55 0 55 200040 0 0 0 0", "cpu1 55 0 55 200040 250 0 0 0"),
			[]string{`cpu.idle.core{core="0"} 80`, `cpu.idle.core{core="1"} 80`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := withPrefix(after(t, "CPU", before, before, c.now), "cpu.user", "cpu.nice", "cpu.sys", "cpu.i", "cpu.s")
				require.Equal(t, c.want, got)
			})
		})
	}
}

func TestALoadThatCannotBeCostsOnlyItself(t *testing.T) {
	for shown, want := range map[string][]string{
		"0.50 -0.25 0.10 1/1 1\n": {"cpu.loadavg.1 0.5", "cpu.loadavg.15 0.1"},
		"0.50 NaN 0.10 1/1 1\n":   {"cpu.loadavg.1 0.5", "cpu.loadavg.15 0.1"},
		"x 0.25 0.10 1/1 1\n":     {"cpu.loadavg.5 0.25", "cpu.loadavg.15 0.1"},
		"0.50":                    {"cpu.loadavg.1 0.5"},
	} {
		synctest.Test(t, func(t *testing.T) {
			got := after(t, "CPU", files{"proc/stat": "", "proc/loadavg": shown, "proc/1/stat": ""})
			require.Equal(t, want, withPrefix(slices.Clone(got), "cpu.loadavg"), shown)
			require.Contains(t, strings.Join(got, "\n"), "measuring the load: /proc/loadavg: ", shown)
		})
	}
}

func TestProcessorsThatComeAndGoCostOneRoundEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := func(idle0, idle1 string) files {
			return procStat("cpu  0 0 0 "+idle0+" 0 0 0 0", "cpu0 0 0 0 "+idle0+" 0 0 0 0", "cpu1 0 0 0 "+idle1+" 0 0 0 0")
		}
		one := func(idle0 string) files {
			return procStat("cpu  0 0 0 "+idle0+" 0 0 0 0", "cpu0 0 0 0 "+idle0+" 0 0 0 0")
		}
		moments := []files{both("100", "100"), both("200", "200"), one("300"), one("400"), one("500"), both("600", "9000"), both("700", "9100")}
		for last, want := range map[int][]string{
			1: {"cpu.idle 100", `cpu.idle.core{core="0"} 100`, `cpu.idle.core{core="1"} 100`},
			2: {`cpu.idle.core{core="0"} 100`},
			3: {"cpu.idle 100", `cpu.idle.core{core="0"} 100`},
			4: {"cpu.idle 100", `cpu.idle.core{core="0"} 100`},
			5: {`cpu.idle.core{core="0"} 100`},
			6: {"cpu.idle 100", `cpu.idle.core{core="0"} 100`, `cpu.idle.core{core="1"} 100`},
		} {
			require.Equal(t, want, withPrefix(after(t, "CPU", moments[:last+1]...), "cpu.idle"), "moment %d", last)
		}
	})
}

func TestSpaceThatCannotBeIsUnknown(t *testing.T) {
	const minusOne = 1<<64 - 1
	for name, c := range map[string]struct {
		says hostmetrics.Space
		want []string
	}{
		"more inodes free than there are (gopsutil#1344)": {
			hostmetrics.Space{Blocks: 25600, Free: 6400, Available: 5120, Inodes: 2167140, FreeInodes: minusOne},
			[]string{"fs.space.total 100", "fs.space.used 75", "fs.space.free 20", "fs.space.used.percent 78.94736842105263"},
		},
		"more free than there is": {
			hostmetrics.Space{Blocks: 25600, Free: minusOne, Available: 5120, Inodes: 1000, FreeInodes: 750},
			[]string{"fs.space.total 100", "fs.space.free 20", "fs.inodes.used.percent 25"},
		},
		"a negative number of blocks for users": {
			hostmetrics.Space{Blocks: 25600, Free: 6400, Available: minusOne - 100, Inodes: 1000, FreeInodes: 750},
			[]string{"fs.space.total 100", "fs.space.used 75", "fs.inodes.used.percent 25"},
		},
		"more for users than is free": {
			hostmetrics.Space{Blocks: 25600, Free: 6400, Available: 12800, Inodes: 1000, FreeInodes: 750},
			[]string{"fs.space.total 100", "fs.space.used 75", "fs.space.free 50", "fs.inodes.used.percent 25"},
		},
		"no blocks, no inodes": {hostmetrics.Space{}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			kinds := hostmetrics.Kinds(hostmetrics.Config{Root: mounted(t, "27 1 8:1 / /cephfs rw - ceph mon:/ rw\n")})
			hostmetrics.FakeFileSystems(kinds, func(string, bool) (hostmetrics.Space, bool, error) { return c.says, true, nil })
			metrics, err := collector(t, kinds, "FS").Collect(t.Context())
			require.NoError(t, err)
			got := withPrefix(lines(metrics), "fs.space", "fs.inodes")
			for i := range got {
				got[i] = strings.Replace(got[i], `{mount="/cephfs"}`, "", 1)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestMoreOpenFilesThanAllowedLeaveNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := after(t, "FS", files{"proc/1/mountinfo": "", "proc/sys/fs/file-nr": "3000\t0\t2000\n", "proc/self/mountinfo": ""})
		require.Contains(t, got, "kernel.files.left 0")
		require.Contains(t, got, "kernel.files.allocated.percent 150")
		got = after(t, "FS", files{"proc/1/mountinfo": "", "proc/sys/fs/file-nr": "-\t0\t2000\n", "proc/self/mountinfo": ""})
		require.Equal(t, []string{"error: measuring open files: /proc/sys/fs/file-nr does not contain three numbers"}, got)
	})
}

func TestSpeedsThatAreUnknownToTheKernelAreAbsent(t *testing.T) {
	for speed, want := range map[string][]string{
		"1000":       {`net.speed{interface="eth0"} 1000`, `net.in.percent{interface="eth0"} 0`, `net.out.percent{interface="eth0"} 0`},
		"-1":         nil,
		"0":          nil,
		"65535":      nil, // -1 in 16 bits
		"4294967295": nil, // -1 in 32 bits, unsigned
		"2147483648": nil,
		"":           nil,
		"unknown":    nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			got := after(t, "NET", files{
				"proc/net/dev":             "eth0: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
				"sys/class/net/eth0/speed": speed + "\n",
			})
			got = withPrefix(got, "net.speed", "net.in.percent", "net.out.percent")
			require.ElementsMatch(t, want, got, speed)
		})
	}
}

func TestAMissingFileCostsOnlyWhatStandsInIt(t *testing.T) {
	whole := files{
		"proc/net/dev":       "",
		"proc/net/sockstat":  "sockets: used 9\nTCP: inuse 4 orphan 0 tw 2 alloc 5 mem 1\n",
		"proc/net/sockstat6": "TCP6: inuse 3\n",
		"proc/net/netstat":   "TcpExt: ListenDrops\nTcpExt: 0\n",
		"proc/net/snmp":      "Tcp: RetransSegs\nTcp: 0\n",
	}
	for missing, left := range map[string][]string{
		"":                   {"net.sockets.used 9", "net.tcp.timewait 2", "net.tcp.inuse 7", "net.tcp.listendrops 0", "net.tcp.retrans 0"},
		"proc/net/netstat":   {"net.sockets.used 9", "net.tcp.timewait 2", "net.tcp.inuse 7", "net.tcp.retrans 0", "error: measuring TCP and UDP: open /proc/net/netstat: no such file or directory"},
		"proc/net/snmp":      {"net.sockets.used 9", "net.tcp.timewait 2", "net.tcp.inuse 7", "net.tcp.listendrops 0", "error: measuring TCP and UDP: open /proc/net/snmp: no such file or directory"},
		"proc/net/sockstat":  {"net.tcp.listendrops 0", "net.tcp.retrans 0", "error: measuring sockets: open /proc/net/sockstat: no such file or directory"},
		"proc/net/sockstat6": {"net.sockets.used 9", "net.tcp.timewait 2", "net.tcp.inuse 4", "net.tcp.listendrops 0", "net.tcp.retrans 0"}, // no IPv6
		"proc/net/dev":       {"net.sockets.used 9", "net.tcp.timewait 2", "net.tcp.inuse 7", "net.tcp.listendrops 0", "net.tcp.retrans 0", "error: measuring network interfaces: open /proc/net/dev: no such file or directory"},
	} {
		synctest.Test(t, func(t *testing.T) {
			shown := maps.Clone(whole)
			delete(shown, missing)
			require.Equal(t, left, after(t, "NET", shown), missing)
		})
	}
}

func hwmon(dir, chip string, sensors map[string]string) files {
	f := files{dir + "/name": chip + "\n"}
	for name, content := range sensors {
		f[dir+"/"+name] = content + "\n"
	}
	return f
}

func TestTemperaturesThatCannotBeAreAbsent(t *testing.T) {
	for millidegrees, want := range map[string]int{
		"45000": 1, "-40000": 1, "0": 1, "120000": 1,
		"-650788984": 0, // raspberrypi/firmware#133
		"-273200":    0, "65261850": 0, "2147483647": 0, "9223372036854775807": 0, "": 0, "N/A": 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			require.Len(t, after(t, "DEV", files{"sys/class/thermal/thermal_zone0/temp": millidegrees, "sys/class/thermal/thermal_zone0/type": "x"}), want, millidegrees)
			require.Len(t, after(t, "DEV", hwmon("sys/class/hwmon/hwmon0", "chip", map[string]string{"temp1_input": millidegrees})), want, millidegrees)
		})
	}
}

func TestSensorsWithOneLabelAreSeveralSeries(t *testing.T) {
	shown := hwmon("sys/class/hwmon/hwmon0", "dell_smm", map[string]string{ // node_exporter#406
		"temp1_label": "CPU", "temp1_input": "50000",
		"temp2_label": "Ambient", "temp2_input": "30000",
		"temp3_label": "Ambient", "temp3_input": "31000",
		"temp4_label": "A b", "temp4_input": "32000",
		"temp5_label": "A-b", "temp5_input": "33000",
	})
	maps.Copy(shown, hwmon("sys/class/hwmon/hwmon1", "twin", map[string]string{"temp1_input": "1000"}))
	maps.Copy(shown, hwmon("sys/class/hwmon/hwmon2", "twin", map[string]string{"temp1_input": "2000"}))
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, []string{
			`dev.temperature{sensor="dell_smm.CPU"} 50`,
			`dev.temperature{sensor="dell_smm.Ambient.temp2"} 30`,
			`dev.temperature{sensor="dell_smm.Ambient.temp3"} 31`,
			`dev.temperature{sensor="dell_smm.A b.temp4"} 32`,
			`dev.temperature{sensor="dell_smm.A-b.temp5"} 33`,
			`dev.temperature{sensor="twin.temp1.temp1.hwmon1"} 1`,
			`dev.temperature{sensor="twin.temp1.temp1.hwmon2"} 2`,
		}, after(t, "DEV", shown))
	})
}

func TestMemoryErrorsAreUnknownWhereAControllerCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mc = "sys/devices/system/edac/mc/mc"
		require.Equal(t, []string{`dev.edac.errors{type="uncorrected"} 3`}, after(t, "DEV", files{
			mc + "0/ce_count": "5\n", mc + "1/ce_count": "", mc + "0/ue_count": "1\n", mc + "1/ue_count": "2\n",
		}))
	})
}
