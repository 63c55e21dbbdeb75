//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/lodastack/agent/internal/agentbinary"
	"github.com/lodastack/agent/internal/registrytest"
)

// Namespaces. The host's own has what the agent collects by itself, the others
// only what is posted.
const ownNamespace = "chaos.host"

func postedNamespaces() []string { return []string{"chaos.one", "chaos.two"} }

// world is all that the agent lives with.
type world struct {
	dir      string
	binary   string
	config   string
	address  string // of the agent
	brokers  []*broker
	registry *registrytest.Server
	disk     *disk // nil if none could be mounted
	noDisk   error // why
	stderr   *os.File
	points   *points
	release  []func() error
}

// newWorld makes a world in dir, which it makes, too. An empty dir is a
// temporary one.
func newWorld(ctx context.Context, dir string) (*world, error) {
	w := &world{dir: dir, points: &points{}}
	if err := w.furnish(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make the world: %w", err), w.close())
	}
	return w, nil
}

func (w *world) furnish(ctx context.Context) (err error) {
	if err := w.makeDir(); err != nil {
		return err
	}
	if w.binary, err = agentbinary.Build(ctx, w.dir); err != nil {
		return err
	}
	if err := makePlugin(filepath.Join(w.dir, "git")); err != nil {
		return err
	}
	if err := w.startServers(); err != nil {
		return err
	}
	return w.configure()
}

func (w *world) makeDir() (err error) {
	if w.dir == "" {
		if w.dir, err = os.MkdirTemp("", "chaos"); err != nil {
			return err
		}
		w.release = append(w.release, func() error { return os.RemoveAll(w.dir) })
	} else if err := os.Mkdir(w.dir, 0o755); err != nil {
		return err
	}
	// Plugins run as another user.
	if err := os.Chmod(w.dir, 0o755); err != nil {
		return err
	}
	data := filepath.Join(w.dir, "disk")
	if w.disk, w.noDisk = mountDisk(data); w.disk != nil {
		w.release = append(w.release, w.disk.unmount)
	}
	if w.stderr, err = os.Create(filepath.Join(w.dir, "stderr")); err != nil {
		return err
	}
	w.release = append(w.release, w.stderr.Close)
	return nil
}

func (w *world) startServers() (err error) {
	var topics []string
	for _, namespace := range postedNamespaces() {
		topics = append(topics, "collect."+namespace)
	}
	for range 2 {
		b, err := startBroker(w.points.arrive, topics...)
		if err != nil {
			return err
		}
		w.brokers = append(w.brokers, b)
	}
	if w.registry, err = registrytest.NewServer(); err != nil {
		return err
	}
	w.registry.SetNamespace(ownNamespace, "id",
		registrytest.Item{"measurement_type": "CPU", "name": "cpu.idle", "interval": "1"},
		registrytest.Item{"measurement_type": "MEM", "name": "mem.used", "interval": "1"},
		registrytest.Item{"measurement_type": "PLUGIN", "name": "PLUGIN.pulse", "git": pluginPath, "interval": "10"})
	return nil
}

func (w *world) configure() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	w.config = filepath.Join(w.dir, "agent.conf")
	return os.WriteFile(w.config, fmt.Appendf(nil, `[agent]
listen = %q
registryaddr = %q
updateinterval = "1s"
hostname = "chaos"
git = "file://%[3]s/git/%%s.git"
pluginsdir = "%[3]s/plugins"
datadir = %[4]q
pidfile = "%[3]s/agent.pid"
[output]
servers = [ %[5]q, %[6]q ]
[api]
namespaces = [ "chaos.*" ]
[log]
logdir = "%[3]s/log"
`, w.address, w.registry.URL(), w.dir, w.data(), w.brokers[0].server.Addr(), w.brokers[1].server.Addr()), 0o600)
}

// data is the agent's data directory.
func (w *world) data() string { return filepath.Join(w.dir, "disk", "data") }

// spool is the directory of its spool.
func (w *world) spool() string { return filepath.Join(w.data(), "spool") }

// start begins a life of the agent.
func (w *world) start() (*process, error) {
	return startProcess(w.binary, w.config, w.address, w.stderr)
}

// heal ends all faults.
func (w *world) heal() error {
	w.registry.SetFault(nil)
	var wrong []error
	for _, b := range w.brokers {
		wrong = append(wrong, b.heal())
	}
	if w.disk != nil {
		wrong = append(wrong, w.disk.free())
	}
	return errors.Join(wrong...)
}

func (w *world) close() error {
	for _, b := range w.brokers {
		b.close()
	}
	if w.registry != nil {
		w.registry.Close()
	}
	var wrong []error
	for i := len(w.release) - 1; i >= 0; i-- {
		wrong = append(wrong, w.release[i]())
	}
	return errors.Join(wrong...)
}
