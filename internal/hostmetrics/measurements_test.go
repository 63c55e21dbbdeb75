//go:build linux

package hostmetrics_test

import (
	"crypto/tls"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

const preamble = `# Measurements of a host

Generated from the table in internal/hostmetrics/measurements.go by
` + "`go test ./internal/hostmetrics -run TestTheDocument -update`" + `. A test
checks that it is up to date.

Every measurement is a float field ` + "`value`" + ` and has the tag ` + "`host`" + `. Rates are per
second, over the measured time between two readings. A collector takes its first
two readings half a second apart.

A measurement that is not known is absent, never zero. It is absent if its source
is missing or unreadable, and in the cases of the column "absent when". A missing
source affects only the measurements that need it.

PROC and PORT go to the namespace that has them assigned, all others to every
namespace of the host. ` + "`collect.disable`" + ` switches kinds off; ` + "`collect.detail`" + ` names
kinds of which more is measured.

` + otherSystems

// otherSystems says what is measured elsewhere than on Linux, by kinds_gopsutil.go,
// kinds_common.go and kinds_other.go.
const otherSystems = `## Other systems

The tables below are for Linux. What builds for other systems measure, with the
same names and units, has not been tried on such hosts, only built and vetted:

| kind | macOS, Windows | FreeBSD and others |
|---|---|---|
| CPU | ` + "`agent.alive`, `cpu.idle`, `cpu.user`, `cpu.system`, `cpu.nice`, `cpu.irq`, `cpu.idle.core`, `ps.total.num`; on macOS `cpu.loadavg.…`" + ` | ` + "`agent.alive`" + ` |
| MEM | ` + "`mem.total`, `mem.used`, `mem.free`, `mem.used.percent`, `mem.swap.used.percent`" + ` | - |
| DISK | ` + "`disk.io.read_requests`, `disk.io.write_requests`, `disk.io.read_bytes`, `disk.io.write_bytes`" + ` | - |
| NET | ` + "`net.in`, `net.out`, `net.in.dropped`, `net.out.dropped`, `net.in.errors`, `net.out.errors`" + `, of all interfaces but loopback | - |
| FS | ` + "`fs.space.…`, `fs.inodes.used.percent`" + ` if there are inodes, of file systems with a device | - |
| TIME | ` + "`time.offset`" + ` | ` + "`time.offset`" + ` |
| COREDUMP, PORT | as on Linux | as on Linux |
`

func document() string {
	var b strings.Builder
	b.WriteString(preamble)
	table := hostmetrics.Measurements()
	for _, k := range hostmetrics.Kinds(hostmetrics.Config{Include: globs{Cgroups: []string{"*"}}}) {
		fmt.Fprintf(&b, "\n## %s\n\nEvery %v by default.\n\n", k.Name, k.Every)
		b.WriteString("| measurement | unit | tags | meaning | absent when | source |\n|---|---|---|---|---|---|\n")
		for _, m := range table {
			if m.Kind == k.Name {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m.Name, m.Unit, strings.Join(m.Tags, ", "), m.Meaning, m.Absent, m.Source)
			}
		}
		b.WriteString(notes()[k.Name])
	}
	b.WriteString(otherNamesTable())
	return b.String()
}

// notes say of a kind what does not fit into its table.
func notes() map[string]string {
	return map[string]string{
		"FS": `
Each file system is measured once. Virtual file systems (of the kernel or FUSE),
those in memory (tmpfs) and images (squashfs, iso9660) are left out. What is
mounted at ` + "`/`" + ` is always measured, unless it is an image. A mount that another one
hides is left out. Mounts whose names differ only in blanks have those escaped
(` + "`\040`" + `) in the tag.
`,
		"KERNEL": `
The tag ` + "`user`" + ` of a failed login is ` + "`invalid`" + ` unless the host's /etc/passwd has such a
user, because people type passwords there. If several logins in one second have
the same tags, all but the first get an earlier time (by at most 300 s), so that
each is a separate point. Rotated files are read to their end
(` + "`wtmp.1`" + `, ` + "`wtmp-20261124`" + `, copytruncate), unless they are compressed immediately.
`,
		"CGROUP": `
Only the control groups that ` + "`collect.include.cgroups`" + ` names are measured, at most 256: units
of systemd, containers, any others of cgroup v2. The tag ` + "`cgroup`" + ` is the path below the mount
point, such as ` + "`system.slice/nginx.service`" + `, because the last part is not unique: users may
have groups of the same name.
`,
		"SYSTEMD": `
Of the host as a whole there are counts. The units that ` + "`collect.include.units`" + ` names, at most
256, have a state, too. systemd looks up a plain name, also of a unit that is not loaded, and
matches globs with the names of loaded units.
`,
		"PROC": `
An item of the registry selects processes by executable (` + "`bin_path`" + `, in a registry file
` + "`path`" + `), command line (` + "`cmdline`" + `, a regular expression), effective user (` + "`user`" + `), systemd
unit (` + "`unit`" + `) and pid file (` + "`pidfile`" + `); all that it names must hold. An item with none of these selects by
its own name: PROC.nginx are the processes that the kernel calls nginx.

Only processes of the host itself are counted, unless a unit selects them or the item
has ` + "`containers`" + `. A process in a container has another mount namespace, another root
directory and another file at the same path. Where the agent may not see these, the
name of its cgroup says whether it is in one.

A new process is seen in the next collection. A process that belonged to no item five
times is only looked at in every fourth collection: if it then becomes another
program, or changes its command line, it counts up to three collections later.

An agent that is not root sees only its own user's executables. If another
user's process has the name of a program, or if /proc hides processes (hidepid),
the program is absent, and the reason is in the status. Run the
agent as root or with CAP_SYS_PTRACE to measure every program.
`,
	}
}

func TestTheDocumentSaysWhatTheTableSays(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "measurements.md")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(document()), 0o644))
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, document(), string(content))
}

// described is a measurement's name with its tags' names.
func described(name string, tags ...string) string {
	slices.Sort(tags)
	return name + " " + strings.Join(tags, ",")
}

func TestWhatIsMeasuredIsInTheTableAndTheOtherWayRound(t *testing.T) {
	var want []string
	for _, m := range hostmetrics.Measurements() {
		want = append(want, described(m.Name, slices.Clone(m.Tags)...))
	}
	measured := make(map[string]bool)
	for _, l := range append(goldenLines(t), measuredElsewhere(t)...) {
		head, _, _ := strings.Cut(strings.ReplaceAll(l, `\"`, ""), "} ")
		name, _, _ := strings.Cut(strings.Fields(l)[0], "{")
		var tags []string
		for _, tag := range regexp.MustCompile(`[{,]([a-z]+)="`).FindAllStringSubmatch(head, -1) {
			tags = append(tags, tag[1])
		}
		measured[described(name, tags...)] = true
	}
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(measured)))
}

func goldenLines(t *testing.T) (all []string) {
	files, err := filepath.Glob("testdata/hosts/*/golden*")
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for l := range strings.Lines(string(content)) {
			if !strings.HasPrefix(l, "#") {
				all = append(all, strings.TrimSpace(l))
			}
		}
	}
	return all
}

// measuredElsewhere collects the kinds that the golden files do not have.
func measuredElsewhere(t *testing.T) []string {
	h := newLoginHost(t)
	appendRecords(t, h.log("wtmp"), ofUser("a", time.Now()))
	all := h.collect()
	write(t, filepath.Join(h.root, "home/coresave", fmt.Sprintf("core.a.1.%d", time.Now().Unix())), "")
	metrics, err := collector(t, h.kinds, "COREDUMP").Collect(t.Context())
	require.NoError(t, err)
	all = append(all, lines(metrics)...)
	clocks := hostmetrics.Kinds(hostmetrics.Config{NTPServers: []string{ntpServer(t, 0, 1)}})
	hostmetrics.FakeKernelClock(clocks)
	metrics, err = collector(t, clocks, "TIME").Collect(t.Context())
	require.NoError(t, err)
	all = append(all, lines(metrics)...)

	w := newWorld(t, "processes")
	kinds := hostmetrics.Kinds(hostmetrics.Config{Root: w.Root, Detail: hostmetrics.DetailedKinds()})
	for kind, a := range map[string]agent.Assignment{
		"PROC": {Processes: []agent.Process{{Name: "NAME", Path: "/usr/sbin/nginx"}}},
		"PORT": {Ports: []agent.Port{{Name: "NAME", Port: serveTLS(t, &tls.Config{Certificates: []tls.Certificate{selfSigned(t, 1)}}), TLS: true}}},
	} {
		batches, err := assigned(t, kinds, kind).CollectAssigned(t.Context(), []agent.Assignment{a})
		require.NoError(t, err)
		all = append(all, batchLines(batches)[""]...)
	}
	return all
}
