package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/lodastack/agent"
)

const (
	// mostUnits limits the units of a round that the config names.
	mostUnits = 256
	// systemdTimeout bounds a round. A manager that is busy may take seconds.
	systemdTimeout = 5 * time.Second
)

// systemd measures the units of systemd, over D-Bus: how many have failed, and the state of
// those that the config names. There is a connection only during a round. See
// org.freedesktop.systemd1(5).
type systemd struct {
	root  string
	names filter
}

func newSystemd(c Config) systemd { return systemd{c.Root, c.units()} }

// Collect returns nothing if the host does not run systemd (sd_booted(3)).
func (s systemd) Collect(ctx context.Context) ([]agent.Metric, error) {
	if _, err := os.Stat(filepath.Join(s.root, "run/systemd/system")); err != nil {
		return nil, nil
	}
	var metrics []agent.Metric
	err := s.ask(ctx, func(ctx context.Context, m systemdManager) (err error) {
		metrics, err = s.measure(ctx, m)
		return err
	})
	if err != nil {
		err = fmt.Errorf("asking systemd over D-Bus: %w", err)
	}
	return metrics, err
}

// ask connects to the manager for as long as f takes.
func (s systemd) ask(ctx context.Context, f func(ctx context.Context, m systemdManager) error) error {
	ctx, cancel := context.WithTimeout(ctx, systemdTimeout)
	defer cancel()
	bus, err := dialBus(ctx, filepath.Join(s.root, "run/dbus/system_bus_socket"))
	if err != nil {
		return err
	}
	defer bus.Close()
	return f(ctx, systemdManager{bus, bus.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")})
}

// excluded returns the names of the units that the config names and excludes.
func (s systemd) excluded() (names []string) {
	named := systemd{s.root, filter{include: s.names.include}}
	_ = s.ask(context.Background(), func(ctx context.Context, m systemdManager) error {
		units, err := named.units(ctx, m)
		for _, u := range units {
			if s.names.excludes(u.Name) {
				names = append(names, u.Name)
			}
		}
		return err
	}) // what could not be read is not said
	slices.Sort(names)
	return names
}

// dialBus connects to a bus. All calls end when ctx does.
func dialBus(ctx context.Context, socket string) (*dbus.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	if deadline, has := ctx.Deadline(); has {
		_ = conn.SetDeadline(deadline) // a socket takes one
	}
	bus, err := dbus.NewConn(conn, dbus.WithContext(ctx))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err = bus.Auth(nil); err == nil {
		err = bus.Hello()
	}
	if err != nil {
		return nil, errors.Join(err, bus.Close())
	}
	return bus, nil
}

func (s systemd) measure(ctx context.Context, m systemdManager) ([]agent.Metric, error) {
	var p points
	var wrong []error
	for name, property := range map[string]string{"systemd.units": "NNames", "systemd.units.failed": "NFailedUnits", "systemd.jobs": "NJobs"} {
		n, err := m.number(ctx, m.manager, "org.freedesktop.systemd1.Manager", property)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		p.add(name, float64(n), nil)
	}
	units, err := s.units(ctx, m)
	if err != nil {
		wrong = append(wrong, err)
	}
	for _, u := range units {
		tags := map[string]string{"unit": u.Name}
		p.add("systemd.unit.active", oneIf(u.Active == "active" || u.Active == "reloading"), tags)
		p.add("systemd.unit.failed", oneIf(u.Active == "failed"), tags)
		if !strings.HasSuffix(u.Name, ".service") {
			continue
		}
		restarts, err := m.number(ctx, m.bus.Object("org.freedesktop.systemd1", u.Path), "org.freedesktop.systemd1.Service", "NRestarts")
		if err != nil {
			if ctx.Err() != nil {
				wrong = append(wrong, err)
				break
			}
			continue // systemd before 235 does not count them, or the unit has just gone
		}
		p.add("systemd.unit.restarts", float64(restarts), tags)
	}
	return p, errors.Join(wrong...)
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// units returns the units that the config names. systemd looks a plain name up, also that of a
// unit which is not loaded; for a glob it only looks at those that are.
func (s systemd) units(ctx context.Context, m systemdManager) (selected []systemdUnit, err error) {
	var names, globs []string
	for _, name := range s.names.include {
		switch {
		case strings.ContainsAny(name, `*?[\`):
			globs = append(globs, name)
		case path.Ext(name) == "":
			names = append(names, name+".service")
		default:
			names = append(names, name)
		}
	}
	var byName, byGlob []systemdUnit
	if len(names) > 0 {
		err = m.list(ctx, &byName, "ListUnitsByNames", names)
	}
	if err == nil && len(globs) > 0 {
		err = m.list(ctx, &byGlob, "ListUnitsByPatterns", []string{}, globs)
	}
	seen := make(map[string]bool)
	for _, u := range append(byName, byGlob...) {
		if seen[u.Name] || u.Load == "not-found" || s.names.excludes(u.Name) {
			continue
		}
		if len(selected) == mostUnits {
			return selected, errors.Join(err, fmt.Errorf("collect.include.units names more than %d units; name fewer", mostUnits))
		}
		seen[u.Name] = true
		selected = append(selected, u)
	}
	return selected, err
}

// systemdUnit is a unit as ListUnits returns it.
type systemdUnit struct {
	Name, Description, Load, Active, Sub, Followed string
	Path                                           dbus.ObjectPath
	Job                                            uint32
	JobType                                        string
	JobPath                                        dbus.ObjectPath
}

// systemdManager is systemd's manager of the system.
type systemdManager struct {
	bus     *dbus.Conn
	manager dbus.BusObject
}

func (m systemdManager) list(ctx context.Context, units *[]systemdUnit, method string, args ...any) error {
	err := m.manager.CallWithContext(ctx, "org.freedesktop.systemd1.Manager."+method, 0, args...).Store(units)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// number returns a property that is a number.
func (m systemdManager) number(ctx context.Context, object dbus.BusObject, kind, property string) (uint32, error) {
	var value dbus.Variant
	if err := object.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, kind, property).Store(&value); err != nil {
		return 0, fmt.Errorf("%s: %w", property, err)
	}
	n, ok := value.Value().(uint32)
	if !ok {
		return 0, fmt.Errorf("%s: %s is not a number of 32 bits", property, value)
	}
	return n, nil
}
