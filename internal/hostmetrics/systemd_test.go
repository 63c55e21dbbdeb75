//go:build linux

package hostmetrics_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/hostmetrics"
)

// unit is a unit as systemd lists it.
type unit struct {
	Name, Description, Load, Active, Sub, Followed string
	Path                                           dbus.ObjectPath
	Job                                            uint32
	JobType                                        string
	JobPath                                        dbus.ObjectPath
}

// manager answers as systemd's.
type manager struct{ units []unit }

func (m manager) ListUnitsByNames(names []string) ([]unit, *dbus.Error) {
	var list []unit
	for _, name := range names {
		i := slices.IndexFunc(m.units, func(u unit) bool { return u.Name == name })
		if i < 0 {
			list = append(list, unit{Name: name, Load: "not-found", Active: "inactive", Path: "/", JobPath: "/"})
			continue
		}
		list = append(list, m.units[i])
	}
	return list, nil
}

func (m manager) ListUnitsByPatterns(_ []string, globs []string) (list []unit, _ *dbus.Error) {
	for _, u := range m.units {
		if slices.ContainsFunc(globs, func(glob string) bool { ok, _ := filepath.Match(glob, u.Name); return ok }) {
			list = append(list, u)
		}
	}
	return list, nil
}

// systemdHost returns the root of a host with a bus of its own, on which a manager answers.
func systemdHost(t *testing.T, units ...string) (root string) {
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("dbus-daemon is not installed")
	}
	root = bootedRoot(t)
	socket := filepath.Join(root, "run/dbus/system_bus_socket")
	config := filepath.Join(t.TempDir(), "bus.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
		<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`, socket), 0o600))
	daemon := exec.Command(program, "--config-file="+config, "--nofork", "--nopidfile", "--print-address")
	output, err := daemon.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, daemon.Start())
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	_, err = bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)

	bus, err := dbus.Connect("unix:path=" + socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = bus.Close() })
	m := manager{}
	for i, line := range units { // "NAME STATE RESTARTS"
		var u unit
		var restarts uint32
		_, err := fmt.Sscan(line, &u.Name, &u.Active, &restarts)
		require.NoError(t, err)
		u.Load, u.JobPath, u.Path = "loaded", "/", dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/systemd1/unit/u%d", i))
		m.units = append(m.units, u)
		properties(t, bus, u.Path, "org.freedesktop.systemd1.Service", map[string]uint32{"NRestarts": restarts})
	}
	const at, manages = "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
	require.NoError(t, bus.Export(m, at, manages))
	properties(t, bus, at, manages, map[string]uint32{"NNames": 300, "NFailedUnits": 2, "NJobs": 1})
	reply, err := bus.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue)
	require.NoError(t, err)
	require.Equal(t, dbus.RequestNameReplyPrimaryOwner, reply)
	return root
}

// bootedRoot returns a root that systemd has booted. Its path is short enough for a socket.
func bootedRoot(t *testing.T) (root string) {
	root, err := os.MkdirTemp("", "systemd")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	for _, dir := range []string{"run/systemd/system", "run/dbus"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	return root
}

func properties(t *testing.T, bus *dbus.Conn, at dbus.ObjectPath, of string, values map[string]uint32) {
	list := make(map[string]*prop.Prop)
	for name, value := range values {
		list[name] = &prop.Prop{Value: value}
	}
	_, err := prop.Export(bus, at, prop.Map{of: list})
	require.NoError(t, err)
}

// systemdLines collects SYSTEMD, a line for each measurement.
func systemdLines(t *testing.T, c hostmetrics.Config) (lines []string, err error) {
	metrics, err := find(t, hostmetrics.Kinds(c), "SYSTEMD").Collector.Collect(t.Context())
	for _, m := range metrics {
		lines = append(lines, line(m))
	}
	slices.Sort(lines)
	return lines, err
}

func TestUnitsOfSystemdAreMeasured(t *testing.T) {
	root := systemdHost(t, "nginx.service active 3", "postgresql@15-main.service failed 7", "postgresql@old.service inactive 0", "backup.timer active 0", "cron.service active 0")
	c := hostmetrics.Config{
		Root:    root,
		Include: globs{Units: []string{"nginx", "gone", "backup.timer", "postgresql@*.service", "nginx.*"}},
		Exclude: globs{Units: []string{"*@old.*"}},
	}
	lines, err := systemdLines(t, c)
	require.NoError(t, err)
	i := slices.IndexFunc(hostmetrics.Measurements(), func(m hostmetrics.Measurement) bool { return m.Name == "systemd.unit.active" })
	require.Equal(t, []string{`postgresql@old.service: collect.exclude.units has "*@old.*"`}, hostmetrics.LeftOut(c, hostmetrics.Measurements()[i]))
	golden := filepath.Join("testdata", "hosts", "systemd", "golden")
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestWithoutNamedUnitsSystemdIsCounted(t *testing.T) {
	lines, err := systemdLines(t, hostmetrics.Config{Root: systemdHost(t, "nginx.service active 3")})
	require.NoError(t, err)
	require.Equal(t, []string{"systemd.jobs 1", "systemd.units 300", "systemd.units.failed 2"}, lines)
}

func TestAHostWithoutSystemdHasNoUnits(t *testing.T) {
	lines, err := systemdLines(t, hostmetrics.Config{Root: t.TempDir()})
	require.NoError(t, err)
	require.Empty(t, lines)
}

func TestABusThatIsAwayIsAnError(t *testing.T) {
	_, err := systemdLines(t, hostmetrics.Config{Root: bootedRoot(t)})
	require.ErrorContains(t, err, "asking systemd over D-Bus: dial unix")
}

// A bus that accepts connections and says nothing must not hold up a round.
func TestABusThatHangsIsGivenUp(t *testing.T) {
	root := bootedRoot(t)
	listener, err := net.Listen("unix", filepath.Join(root, "run/dbus/system_bus_socket"))
	require.NoError(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = find(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "SYSTEMD").Collector.Collect(ctx)
	require.ErrorContains(t, err, "asking systemd over D-Bus")
	require.Less(t, time.Since(began), 3*time.Second)
}
