package sandbox_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sandbox"
)

func TestCommandInheritsNothingOfTheProgram(t *testing.T) {
	open, err := os.OpenFile(filepath.Join(t.TempDir(), "open"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer open.Close()
	_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, open.Fd(), syscall.F_SETFD, 0) // as an inherited one
	require.Zero(t, errno)
	files, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "ulimit -Sn").Output() // before Go raised the limit for this program
	require.NoError(t, err)
	want := "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\nNoNewPrivs:\t1\n0 1 2 3 " + string(files) + "0027\n"
	eachKind(t, sandbox.Config{NoNewPrivs: true, Umask: 0o027}, func(t *testing.T, s *sandbox.Supervisor) {
		script := `sed -nE '/^(NoNewPrivs|SigBlk|SigIgn|SigCgt):/p' /proc/self/status; ls /proc/self/fd | tr '\n' ' '; ulimit -Sn; umask`
		c := command(t, script)
		for _, writable := range [][]string{nil, {c.Dir}} {
			c.Writable = writable
			res, err := s.Run(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, want, string(res.Stdout), string(res.Stderr))
		}
	})
}

func TestCommandThatCannotBeStartedSaysWhy(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true}, func(t *testing.T, s *sandbox.Supervisor) {
		missing := command(t, "true")
		missing.Dir = "/no such directory"
		_, err := s.Run(t.Context(), missing)
		require.ErrorAs(t, err, new(*sandbox.StartError))
		require.ErrorIs(t, err, fs.ErrNotExist)

		// What the host cannot do is not the command's fault.
		c := confined(t, s, "true")
		c.Mounts = []sandbox.Mount{{From: "/no such directory", At: "/tmp"}}
		_, err = s.Run(t.Context(), c)
		require.Error(t, err)
		require.NotErrorAs(t, err, new(*sandbox.StartError))
		require.Contains(t, err.Error(), "cannot be confined: ")
		if s.Confinement().Mounts {
			require.EqualError(t, err, "cannot be confined: mounting /no such directory at /tmp: no such file or directory")
		}
	})
}

func TestMountsAreSeenByTheirCommandAlone(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true}, func(t *testing.T, s *sandbox.Supervisor) {
		c := confined(t, s, `echo mine > /var/tmp/mine; ls /var/tmp; echo $$ > $PIDS; `+until)
		if !s.Confinement().Mounts {
			t.Skip(s.Confinement().Reasons)
		}
		before, err := os.ReadFile("/proc/self/mountinfo")
		require.NoError(t, err)
		c.Mounts = []sandbox.Mount{{From: c.Dir, At: "/var/tmp"}}
		ended := underWay(t, s, c)
		during, err := os.ReadFile("/proc/self/mountinfo")
		require.NoError(t, err)
		letGo(t, c)
		res := <-ended
		require.Equal(t, "mine\n", string(res.Stdout), string(res.Stderr))
		require.FileExists(t, c.Dir+"/mine")
		require.NoFileExists(t, "/var/tmp/mine")
		require.Equal(t, string(before), string(during))
	})
}

// They run as a user that nobody else has.
func TestConfinedCommandsSignalNobodyElse(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true}, func(t *testing.T, s *sandbox.Supervisor) {
		victim := confined(t, s, `echo $$ > pids; `+until+`echo alive`)
		if !s.Confinement().Signals || os.Geteuid() != 0 {
			t.Skip("only root can make up a user, and only Landlock keeps signals: ", s.Confinement().Reasons)
		}
		user := &sandbox.User{UID: uint32(0x60000000 + os.Getpid()), GID: 65534}
		victim.User = user
		alive := underWay(t, s, victim)
		c := confined(t, s, `trap "" TERM; kill -TERM -1; kill -KILL -1`)
		c.User = user
		res, err := s.Run(t.Context(), c)
		require.NoError(t, err)
		require.Contains(t, []syscall.Signal{0, syscall.SIGKILL}, res.Signal)
		letGo(t, victim)
		require.Equal(t, "alive\n", string((<-alive).Stdout))
	})
}

func TestCommandHasNoMoreMemoryThanItsLimit(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 20, Memory: 32 << 20}}, func(t *testing.T, s *sandbox.Supervisor) {
		if s.Enforced(sandbox.Limits{}).Memory == 0 {
			t.Skip("this host's cgroups do not limit memory")
		}
		for range 2 { // the second in the cgroup of the first
			res, err := s.Run(within(t, 20*time.Second), command(t, `head -c 10G /dev/zero | tail`))
			require.NoError(t, err)
			require.True(t, res.Usage.OutOfMemory, "%+v", res)
		}
		res, err := s.Run(t.Context(), command(t, "true"))
		require.NoError(t, err)
		require.False(t, res.Usage.OutOfMemory)
	})
}

func TestCommandHasNoMoreOfTheProcessorThanItsLimit(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 20, CPU: 0.1}}, func(t *testing.T, s *sandbox.Supervisor) {
		if s.Enforced(sandbox.Limits{}).CPU == 0 {
			t.Skip("this host's cgroups do not limit the use of processors")
		}
		began := time.Now()
		res, err := s.Run(t.Context(), command(t, `i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done`))
		require.NoError(t, err)
		require.Less(t, res.Usage.CPU.Seconds()/time.Since(began).Seconds(), 0.3)
	})
}

func TestWhatPluginsNeedWorksInAConfinedCommand(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true, Limits: sandbox.Limits{Processes: 100}}, func(t *testing.T, s *sandbox.Supervisor) {
		for name, script := range map[string]string{
			"sh":       `#!/bin/sh` + "\n" + `x=$(echo a | tr a b) && test $x = b && exec echo good`,
			"threads":  "#!/usr/bin/python3\nimport threading\nt=threading.Thread(target=print,args=('good',)); t.start(); t.join()\n",
			"children": "#!/usr/bin/python3\nimport subprocess\nprint(subprocess.check_output(['echo','good'],text=True),end='')\n",
			"names":    "#!/usr/bin/python3\nimport socket\nsocket.getaddrinfo('localhost',80); print('good')\n",
			"files":    "#!/usr/bin/python3\nimport tempfile\nwith tempfile.TemporaryFile(dir='.') as f: f.write(b'x'); print('good')\n",
		} {
			t.Run(name, func(t *testing.T) {
				interpreter, _, _ := strings.Cut(strings.TrimPrefix(script, "#!"), "\n")
				if _, err := os.Stat(interpreter); err != nil {
					t.Skip(err)
				}
				c := confined(t, s, "")
				c.Path, c.Args = "./plugin", nil
				require.NoError(t, os.WriteFile(filepath.Join(c.Dir, "plugin"), []byte(script), 0o755))
				res, err := s.Run(t.Context(), c)
				require.NoError(t, err)
				require.Equal(t, "good\n", string(res.Stdout), fmt.Sprint(string(res.Stderr), res.ExitCode, res.Signal))
			})
		}
	})
}
