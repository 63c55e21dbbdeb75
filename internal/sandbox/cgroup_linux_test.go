package sandbox

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

func TestStaleCgroupsAreThoseThatNobodyHasLocked(t *testing.T) {
	base := t.TempDir()
	held, err := makeParent(base)
	require.NoError(t, err)
	left, err := makeParent(base)
	require.NoError(t, err)
	require.NoError(t, left.lock.Close(), "as the kernel does for a killed program")
	foreign := filepath.Join(base, "agent-sandbox-1-x") // of another cgroup namespace
	require.NoError(t, os.Mkdir(foreign, 0o755))

	removeStale(base)
	require.DirExists(t, held.path)
	require.NoDirExists(t, left.path)
	require.DirExists(t, foreign)
	require.NoError(t, held.remove())
	require.NoDirExists(t, held.path)
}

// The race detector checks this.
func TestLimitsCanBeAskedForWhileTheDirectoryIsMadeAgain(t *testing.T) {
	b := &cgroupBackend{config: Config{Limits: Limits{Processes: 7}}, base: t.TempDir()}
	require.NoError(t, b.renewParent())
	remade := make(chan error, 1)
	go func() {
		_, err := b.open(Limits{}) // a plain directory has none of a cgroup's files, so it is made again
		remade <- err
	}()
	for {
		b.enforced(Limits{Processes: 7})
		select {
		case err := <-remade:
			require.Error(t, err)
			require.NoError(t, b.close())
			return
		default:
		}
	}
}

// fakeCgroup is a directory that looks like a cgroup with one process.
func fakeCgroup(t *testing.T, pid int) string {
	dir := t.TempDir()
	for name, content := range map[string]string{"cgroup.procs": strconv.Itoa(pid) + "\n", "cgroup.subtree_control": "", "memory.max": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func delegate(t *testing.T, dir string) {
	if err := unix.Setxattr(dir, "user.delegate", []byte("1"), 0); err != nil {
		t.Skip("no extended attributes here: ", err)
	}
}

// A cgroup of this kernel, delegated as systemd before 254 does it.
func TestProgramMovesBelowACgroupThatWasDelegatedToItAlone(t *testing.T) {
	base, err := ownDir("", "cgroup2")
	if err != nil {
		t.Skip("there is no cgroup v2: ", err)
	}
	if os.Getenv("SANDBOX_TEST_DELEGATE") != "" {
		dir, err := cgroupBase()
		require.NoError(t, err)
		require.Equal(t, os.Getenv("SANDBOX_TEST_DELEGATE"), dir, "sandboxes are made beside the program")
		own, err := ownDir("", "cgroup2")
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, "agent"), own)
		dir, err = cgroupBase()
		require.NoError(t, err)
		require.Equal(t, os.Getenv("SANDBOX_TEST_DELEGATE"), dir, "also the second time")
		return
	}
	unit := filepath.Join(base, "sandboxtest-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(unit, 0o755); err != nil {
		t.Skip("no cgroups can be made: ", err)
	}
	t.Cleanup(func() { removeCgroup(unit) })
	delegate(t, unit)
	fd, err := unix.Open(unit, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	p, err := startProcess(launch{
		path: os.Args[0], argv: []string{os.Args[0], "-test.run=^" + t.Name() + "$"},
		env: append(os.Environ(), "SANDBOX_TEST_DELEGATE="+unit), files: []descriptor{0, 1, 2},
		sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd},
	})
	require.NoError(t, err)
	e, ended := p.await(time.Now().Add(20 * time.Second))
	require.True(t, ended)
	require.Zero(t, e.code)
}

func TestProgramStaysInACgroupThatIsNotItsAlone(t *testing.T) {
	others := fakeCgroup(t, 1)
	delegate(t, others)
	for why, dir := range map[string]string{"not delegated": fakeCgroup(t, 5), "another process is in it": others} {
		own, err := enterSubgroup(dir, 5)
		require.NoError(t, err, why)
		require.Equal(t, dir, own, why)
		require.NoDirExists(t, filepath.Join(dir, subgroup), why)
	}
}

func TestTheProgramsOwnMemoryIsLimitedInItsOwnCgroup(t *testing.T) {
	base, own := fakeCgroup(t, 1), fakeCgroup(t, 1)
	require.NoError(t, limitMemory(base, own, 256<<20))
	for file, want := range map[string]string{base + "/cgroup.subtree_control": "+memory", own + "/memory.max": "268435456"} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, string(content), file)
	}
}

// Without this, a fault of the cgroup backend is hidden: process trees take its place.
func TestCgroupsAreUsedWhereTheHostHasThem(t *testing.T) {
	base, err := cgroupBase()
	if err != nil {
		t.Skip("there is no cgroup v2: ", err)
	}
	probe, err := os.MkdirTemp(base, "sandboxtest-")
	if err != nil {
		t.Skip("no cgroups can be made: ", err)
	}
	defer removeCgroup(probe)
	if _, err := os.Stat(filepath.Join(probe, "cgroup.kill")); err != nil {
		t.Skip("this kernel cannot kill a cgroup: ", err)
	}
	for range 2 {
		s, err := Open(Config{Limits: Limits{Processes: 10}})
		require.NoError(t, err)
		require.Equal(t, "cgroup", s.Kind())
		dir := s.backend.(*cgroupBackend).parent.path
		_, err = s.Run(t.Context(), Command{Path: "/bin/true", Dir: "/"})
		require.NoError(t, err)
		require.NoError(t, s.Close(t.Context()))
		require.NoDirExists(t, dir, "nothing is left")
	}
}

func TestOwnCgroupIsFound(t *testing.T) {
	const hybrid = "9:name=systemd:/s\n8:cpu,pids:/p\n4:memory:/m:with:colons\nrubbish\n0::/unified\n"
	for controller, want := range map[string]string{"": "/unified", "pids": "/p", "cpu": "/p", "memory": "/m:with:colons", "pid": "", "name": "", "blkio": ""} {
		path, ok := ownCgroup(hybrid, controller)
		require.Equal(t, want, path, controller)
		require.Equal(t, want != "", ok, controller)
	}
	_, ok := ownCgroup("0:pids:/p\n1::/v\n", "")
	require.False(t, ok, "neither is a line of cgroup v2")
}

func TestCgroupIsSoughtWhereItIsMounted(t *testing.T) {
	mounts := []procfs.Mount{
		{Type: "tmpfs", Root: "/", Point: "/sys/fs/cgroup", SuperOptions: []string{"pids"}},
		{Type: "cgroup", Root: "/", Point: "/sys/fs/cgroup/cpu", SuperOptions: []string{"rw", "cpu"}},
		{Type: "cgroup", Root: "/", Point: "/sys/fs/cgroup/pids", SuperOptions: []string{"rw", "pids"}},
		{Type: "cgroup2", Root: "/other", Point: "/elsewhere"},
		{Type: "cgroup2", Root: "/a", Point: "/unified"},
	}
	for _, c := range []struct{ path, fstype, controller, want string }{
		{"/a/b", "cgroup", "pids", "/sys/fs/cgroup/pids/a/b"},
		{"/a/b", "cgroup", "blkio", ""},
		{"/a/b", "cgroup2", "", "/unified/b"},
		{"/a", "cgroup2", "", "/unified"},
		{"/a/..b", "cgroup2", "", "/unified/..b"},
		{"/", "cgroup2", "", ""},
		{"/b/c", "cgroup2", "", ""},
	} {
		dir, ok := mountedCgroup(mounts, c.path, c.fstype, c.controller)
		require.Equal(t, c.want, dir, "%+v", c)
		require.Equal(t, c.want != "", ok, "%+v", c)
	}
}

func TestRemovedCgroupsAreMadeAgain(t *testing.T) {
	s, err := Open(Config{Limits: Limits{Processes: 10}})
	require.NoError(t, err)
	b, ok := s.backend.(*cgroupBackend)
	if !ok {
		t.Skip("there are no cgroups")
	}
	for range 3 {
		_, err = s.Run(t.Context(), Command{Path: "/bin/true", Dir: "/"})
		require.NoError(t, err)
		require.NoError(t, removeCgroup(b.parent.path))
		if v1, ok := s.limiter.(*v1Limiter); ok {
			for _, dir := range v1.parents {
				require.NoError(t, removeCgroup(dir.path))
			}
		}
	}
	_, err = s.Run(t.Context(), Command{Path: "/no such program", Dir: "/"})
	var start *StartError
	require.ErrorAs(t, err, &start)
	require.ErrorIs(t, err, syscall.ENOENT, "this is the program's fault")
	require.NoError(t, s.Close(t.Context()))
}

func TestV1CgroupThatIsNotEmptyIsNotHandedOut(t *testing.T) {
	l, err := openV1(Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Skip("there is no pids controller of v1: ", err)
	}
	start := func(g limit, path string) (*process, error) {
		return startProcess(launch{path: path, argv: []string{path, "1000"}, sys: &syscall.SysProcAttr{}, setup: &childSetup{tasks: g.files()}})
	}
	first, err := l.take(Limits{Processes: 10})
	require.NoError(t, err)
	sleeper, err := start(first, "/bin/sleep")
	require.NoError(t, err)
	first.release()
	second, err := l.take(Limits{Processes: 10})
	require.NoError(t, err)
	require.NotSame(t, first, second, "the sleeper is in the first")
	second.release()
	other, err := l.take(Limits{Processes: 11})
	require.NoError(t, err)
	require.NotSame(t, second, other, "it has another limit")
	other.release()
	again, err := l.take(Limits{Processes: 10})
	require.NoError(t, err)
	require.Same(t, second, again)

	first.freeze()
	sleeper.kill()
	third, err := l.take(Limits{Processes: 10})
	require.NoError(t, err)
	require.Same(t, first, third, "it is empty now")
	ended, err := start(third, "/bin/true")
	require.NoError(t, err, "and not frozen any more")
	ended.await(time.Time{})
	third.release()
	again.release()
	l.close()
	for _, d := range l.parents {
		require.NoDirExists(t, d.path)
	}
}
