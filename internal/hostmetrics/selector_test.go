//go:build linux

package hostmetrics_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// selectable are processes of a host that differ in all that selects.
func selectable(t *testing.T) (root string) {
	root = t.TempDir()
	write(t, filepath.Join(root, "etc/passwd"), "root:x:0:0::/:/bin/sh\nkafka:x:995:995::/:/bin/false\n")
	write(t, filepath.Join(root, "run/kafka.pid"), " 10\nsince today\n")
	write(t, filepath.Join(root, "run/empty.pid"), "")
	fakeProcess{comm: "systemd", exe: "/usr/lib/systemd/systemd", mounts: "host-mounts", rootDir: "host"}.writeTo(t, root, 1)
	for pid, p := range map[int]struct {
		process fakeProcess
		uid     string
		cgroup  string
	}{
		2:  {fakeProcess{comm: "kthreadd"}, "0\t0", "0::/"}, // has no executable
		10: {fakeProcess{comm: "java", cmdline: "java\x00-Xmx1g\x00kafka.Kafka\x00", exe: "/usr/bin/java"}, "0\t995", "0::/system.slice/kafka.service"},
		11: {fakeProcess{comm: "java", cmdline: "java\x00org.Zoo\x00", exe: "/usr/bin/java"}, "995\t0", "0::/system.slice/zoo.service/sub"},
		12: {fakeProcess{comm: "nginx", cmdline: "nginx: master process", exe: "/usr/sbin/nginx"}, "0\t0", "1:name=systemd:/system.slice/nginx.service\n0::/x"},
		13: {fakeProcess{comm: "nginx", cmdline: "nginx: worker", exe: "/usr/sbin/nginx", mounts: "others", rootDir: "image"}, "0\t0", "0::/system.slice/docker-1.scope"},
		14: {fakeProcess{comm: "a-name-of-fiftee", cmdline: "x", exe: "/x"}, "0\t0", "0::/system.slice/kafka.service.d"},
	} {
		if p.process.mounts == "" {
			p.process.mounts, p.process.rootDir = "host-mounts", "host"
		}
		if p.process.comm == "a-name-of-fiftee" {
			p.process.comm = "a-name-of-fifte"
		}
		p.process.writeTo(t, root, pid)
		write(t, filepath.Join(root, "proc", fmt.Sprint(pid), "status"), "Name:\tx\nUid:\t"+p.uid+"\t0\t0\nGid:\t1\n")
		write(t, filepath.Join(root, "proc", fmt.Sprint(pid), "cgroup"), p.cgroup+"\n")
	}
	return root
}

func TestProcessesAreSelectedByAllThatAnItemNames(t *testing.T) {
	root := selectable(t)
	for name, c := range map[string]struct {
		item agent.Process
		want int
	}{
		"its own name":        {agent.Process{Name: "PROC.java"}, 2},
		"not a container's":   {agent.Process{Name: "PROC.nginx"}, 1},
		"and a container's":   {agent.Process{Name: "PROC.nginx", Containers: true}, 2},
		"by path, of both":    {agent.Process{Name: "PROC.x", Path: "/usr/sbin/nginx", Containers: true}, 2},
		"pid file":            {agent.Process{Name: "PROC.x", PIDFile: "/run/kafka.pid"}, 1},
		"pid file, path":      {agent.Process{Name: "PROC.x", PIDFile: "/run/kafka.pid", Path: "/usr/bin/java"}, 1},
		"pid file, pattern":   {agent.Process{Name: "PROC.x", PIDFile: "/run/kafka.pid", Cmdline: "Kafka"}, 1},
		"stale pid file":      {agent.Process{Name: "PROC.x", PIDFile: "/run/kafka.pid", Path: "/usr/sbin/nginx"}, 0},
		"no pid file":         {agent.Process{Name: "PROC.x", PIDFile: "/run/none.pid"}, 0},
		"empty pid file":      {agent.Process{Name: "PROC.x", PIDFile: "/run/empty.pid"}, 0},
		"not the kernel's":    {agent.Process{Name: "PROC.kthreadd"}, 0},
		"a long name":         {agent.Process{Name: "PROC.a-name-of-fifteen-characters"}, 1},
		"command line":        {agent.Process{Name: "PROC.x", Cmdline: `^java .*kafka\.Kafka$`}, 1},
		"any command line":    {agent.Process{Name: "PROC.x", Cmdline: `Kafka|Zoo`}, 2},
		"effective user":      {agent.Process{Name: "PROC.x", User: "kafka"}, 1},
		"user by number":      {agent.Process{Name: "PROC.x", User: "995"}, 1},
		"unit":                {agent.Process{Name: "PROC.x", Unit: "kafka"}, 1},
		"whole unit":          {agent.Process{Name: "PROC.x", Unit: "nginx.service"}, 1},
		"group of a unit":     {agent.Process{Name: "PROC.x", Unit: "zoo.service"}, 1},
		"a container's unit":  {agent.Process{Name: "PROC.x", Unit: "docker-1.scope"}, 1},
		"path and pattern":    {agent.Process{Name: "PROC.x", Path: "/usr/bin/java", Cmdline: "Zoo"}, 1},
		"another path":        {agent.Process{Name: "PROC.x", Path: "/usr/bin/python", Cmdline: "Zoo"}, 0},
		"pattern, other user": {agent.Process{Name: "PROC.x", Cmdline: "Zoo", User: "kafka"}, 0},
		"pattern, user, unit": {agent.Process{Name: "PROC.x", Cmdline: "java", User: "root", Unit: "zoo"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PROC")
				for range 3 { // command lines are remembered
					batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{c.item}}})
					require.NoError(t, err)
					require.Equal(t, []string{fmt.Sprint(c.item.Name, ".procnum ", c.want)}, withPrefix(batchLines(batches)[""], c.item.Name+".procnum"))
				}
			})
		})
	}
}

func TestAnUnknownUserIsAnErrorAndNotZeroProcesses(t *testing.T) {
	root := selectable(t)
	synctest.Test(t, func(t *testing.T) {
		proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PROC")
		batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{{Name: "PROC.x", User: "ann"}, {Name: "PROC.java"}}}})
		require.ErrorContains(t, err, "measuring the processes with user ann: "+root+"/etc/passwd has no user ann")
		require.Equal(t, []string{"PROC.java.procnum 2"}, withPrefix(batchLines(batches)[""], "PROC.java.procnum", "PROC.x"))
	})
}

func TestACommandLineThatChangesIsMatchedAnew(t *testing.T) {
	root := selectable(t)
	synctest.Test(t, func(t *testing.T) {
		proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PROC")
		count := func(pattern string) string {
			batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{{Name: "PROC.x", Cmdline: pattern}}}})
			require.NoError(t, err)
			return batchLines(batches)[""][0]
		}
		require.Equal(t, "PROC.x.procnum 1", count("master"))
		write(t, filepath.Join(root, "proc/12/cmdline"), "nginx: old one")
		require.Equal(t, "PROC.x.procnum 0", count("master"))
		require.Equal(t, "PROC.x.procnum 1", count("old"))
	})
}

func TestThisProcessIsFoundByItsCommandLineAndUser(t *testing.T) {
	proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{}), "PROC")
	name := strings.ReplaceAll(filepath.Base(os.Args[0]), ".", `\.`)
	batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{
		{Name: "PROC.x", Cmdline: name, User: fmt.Sprint(os.Geteuid())}, {Name: "PROC.y", Cmdline: name, User: "12345"},
	}}})
	require.NoError(t, err)
	got := batchLines(batches)[""]
	require.NotContains(t, got, "PROC.x.procnum 0")
	require.Contains(t, got, "PROC.y.procnum 0")
}

func TestAPIDFileThatHoldsNoneMakesItsProcessUnknown(t *testing.T) {
	root := selectable(t)
	write(t, filepath.Join(root, "run/bad.pid"), "kafka\n")
	require.NoError(t, os.Mkdir(filepath.Join(root, "run/dir.pid"), 0o755))
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "run/pipe.pid"), 0o600))
	for file, reason := range map[string]string{
		"bad": "does not begin with a PID", "dir": "is not a regular file", "pipe": "is not a regular file",
	} {
		proc := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PROC")
		batches, err := proc.CollectAssigned(t.Context(), []agent.Assignment{{Processes: []agent.Process{
			{Name: "PROC.x", PIDFile: "/run/" + file + ".pid"},
		}}})
		require.ErrorContains(t, err, "measuring the processes with pidfile /run/"+file+".pid: ")
		require.ErrorContains(t, err, reason)
		require.Empty(t, batches)
	}
}
