//go:build linux

package hostmetrics_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// fakeProcess is a process of a root directory. Links are left out if they
// are empty; mounts and rootDir are names of directories that stand for a mount
// namespace and a root.
type fakeProcess struct {
	comm, cmdline, exe, mounts, rootDir string
	cgroup                              string
}

// containerID is what names the container of a process.
const containerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func (p fakeProcess) writeTo(t *testing.T, root string, pid int) {
	dir := filepath.Join(root, "proc", strconv.Itoa(pid))
	write(t, dir+"/comm", p.comm+"\n")
	write(t, dir+"/cmdline", p.cmdline)
	write(t, dir+"/cgroup", p.cgroup+"\n")
	write(t, dir+"/stat", fmt.Sprintf("%d (%s) S 1 1 1 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 100 0 10 0 0", pid, p.comm))
	require.NoError(t, os.MkdirAll(dir+"/ns", 0o755))
	for link, target := range map[string]string{"exe": p.exe, "ns/mnt": p.mounts, "root": p.rootDir} {
		if target == "" {
			continue
		}
		if link != "exe" {
			target = filepath.Join(root, target)
			require.NoError(t, os.MkdirAll(target, 0o755))
		}
		require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
	}
}

func countOf(t *testing.T, root, path string) []string {
	proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PROC")
	batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{processItem("p", path)}}})
	require.NoError(t, err)
	return withPrefix(batchLines(batches)[""], "PROC.p.procnum")
}

func TestAContainersProcessIsNotTheHosts(t *testing.T) {
	for name, c := range map[string]struct {
		process fakeProcess
		want    int
	}{
		"the host's":                   {fakeProcess{mounts: "host-mounts", rootDir: "host"}, 1},
		"a container's":                {fakeProcess{mounts: "other-mounts", rootDir: "image"}, 0},
		"with own mounts (PrivateTmp)": {fakeProcess{mounts: "other-mounts", rootDir: "host"}, 1},
		"in a chroot":                  {fakeProcess{mounts: "host-mounts", rootDir: "chroot"}, 1},
		"that does not show its home":  {fakeProcess{}, 1},
		"of Docker, without its home":  {fakeProcess{cgroup: "0::/system.slice/docker-" + containerID + ".scope"}, 0},
		"of Kubernetes, without it":    {fakeProcess{cgroup: "0::/kubepods/burstable/pod7d/" + containerID}, 0},
		"of LXC, without its home":     {fakeProcess{cgroup: "0::/lxc.payload.web/system.slice/nginx.service"}, 0},
		"of a unit, without its home":  {fakeProcess{cgroup: "0::/system.slice/nginx.service"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			fakeProcess{comm: "systemd", exe: "/usr/lib/systemd/systemd", mounts: "host-mounts", rootDir: "host"}.writeTo(t, root, 1)
			c.process.comm, c.process.exe = "nginx", "/usr/sbin/nginx-of-no-host"
			c.process.writeTo(t, root, 7)
			synctest.Test(t, func(t *testing.T) {
				require.Equal(t, []string{fmt.Sprint("PROC.p.procnum ", c.want)}, countOf(t, root, "/usr/sbin/nginx-of-no-host"))
			})
		})
	}
}

func TestAProgramOfTheHostCountsWhateverItsRootIs(t *testing.T) { // a snap's
	root := t.TempDir()
	fakeProcess{comm: "init", mounts: "host-mounts", rootDir: "host"}.writeTo(t, root, 1)
	file := filepath.Join(root, "snap/bin/tool")
	write(t, file, "")
	fakeProcess{comm: "tool", exe: file, mounts: "other-mounts", rootDir: "core"}.writeTo(t, root, 7)
	// The link of the process holds the whole path, so that a test can follow
	// it; the assigned path leads to the same file below the root.
	require.NoError(t, os.MkdirAll(filepath.Dir(root+file), 0o755))
	require.NoError(t, os.Link(file, root+file))
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, []string{"PROC.p.procnum 1"}, countOf(t, root, file))
	})
}

// Where /proc is mounted with hidepid=2, other users' processes are not listed.
func TestWithoutProcessOneNoProgramIsSaidNotToRun(t *testing.T) {
	root := t.TempDir()
	fakeProcess{comm: "own", exe: "/usr/bin/own"}.writeTo(t, root, 7)
	proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PROC")
	batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{
		processItem("own", "/usr/bin/own"), processItem("other", "/usr/bin/other"),
	}}})
	require.EqualError(t, err, "measuring /usr/bin/other: some processes are hidden: "+
		"run the agent as root, or in the group that the option gid of /proc names (proc(5), hidepid)")
	require.Contains(t, batchLines(batches)[""], "PROC.own.procnum 1")
	require.Empty(t, withPrefix(batchLines(batches)[""], "PROC.other"))
}

func TestAProcessWhoseStatCannotBeReadMakesItsProgramUnknown(t *testing.T) {
	for name, spoil := range map[string]func(stat string) error{
		"unreadable":  func(stat string) error { return os.Mkdir(stat, 0o755) },
		"of no shape": func(stat string) error { return os.WriteFile(stat, []byte("7 (x"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, pid := range []int{1, 7, 8} {
				fakeProcess{comm: "x", exe: "/usr/bin/x"}.writeTo(t, root, pid)
			}
			stat := filepath.Join(root, "proc/7/stat")
			require.NoError(t, os.Remove(stat))
			require.NoError(t, spoil(stat))
			proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PROC")
			batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{
				processItem("x", "/usr/bin/x"), processItem("y", "/usr/bin/y"),
			}}})
			require.ErrorContains(t, err, "measuring /usr/bin/x: ")
			require.Len(t, batchLines(batches)[""], 7, "of the other program everything is known")
		})
	}
}

func TestASumThatLacksAProcessIsAbsent(t *testing.T) {
	root := t.TempDir()
	for _, pid := range []int{1, 7, 8} {
		fakeProcess{comm: "x", exe: "/usr/bin/x"}.writeTo(t, root, pid)
	}
	for _, pid := range []string{"1", "7"} { // but not 8
		write(t, filepath.Join(root, "proc", pid, "fd/0"), "")
		write(t, filepath.Join(root, "proc", pid, "io"), "read_bytes: 1\nwrite_bytes: 1\n")
	}
	synctest.Test(t, func(t *testing.T) {
		proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PROC")
		batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{processItem("x", "/usr/bin/x")}}})
		require.NoError(t, err)
		memory := fmt.Sprintf("PROC.x.mem %v", float64(30*os.Getpagesize()))
		require.Equal(t, []string{"PROC.x.procnum 3", "PROC.x.threads 3", memory, "PROC.x.cpu 0"}, batchLines(batches)[""])
	})
}

// unprivilegedEnv makes this test's program measure as another user.
const unprivilegedEnv = "HOSTMETRICS_TEST_MEASURE_AS"

// TestAnUnprivilegedAgentDoesNotTakeForeignProcessesForGone measures in a child
// of another user, which may not see whose executables run.
func TestAnUnprivilegedAgentDoesNotTakeForeignProcessesForGone(t *testing.T) {
	if path := os.Getenv(unprivilegedEnv); path != "" {
		proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{}), "PROC")
		batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{processItem("p", path)}}})
		require.ErrorContains(t, err, "measuring "+path)
		require.Empty(t, batches)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can measure as another user")
	}
	dir, err := os.MkdirTemp("", "hostmetrics")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	copyProgram := func(from, name string) string {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		to := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(to, content, 0o755))
		return to
	}
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	named := copyProgram(sleep, "foreign-program-with-a-long-name")
	renamed := copyProgram(sleep, "known-by-its-command-line")
	alias := filepath.Join(dir, "alias")
	require.NoError(t, os.Symlink(renamed, alias))
	for _, c := range []*exec.Cmd{exec.Command(named, "60"), {Path: alias, Args: []string{renamed, "60"}}} {
		require.NoError(t, c.Start())
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	}
	self := copyProgram("/proc/self/exe", "hostmetrics.test")
	for _, foreign := range []string{named, renamed} {
		measure := exec.CommandContext(t.Context(), self, "-test.run", "^"+t.Name()+"$")
		measure.Dir = dir
		measure.Env = append(slices.Clone(os.Environ()), unprivilegedEnv+"="+foreign)
		measure.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		output, err := measure.CombinedOutput()
		require.NoError(t, err, "%s", output)
		require.Contains(t, string(output), "PASS")
	}
}
