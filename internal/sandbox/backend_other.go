//go:build !linux

package sandbox

// openBackend returns the only kind of sandboxes of this system.
func openBackend(Config) (backend, limiter, error) { return processGroupBackend{}, nil, nil }

// spawner starts processes from any thread.
type spawner struct{}

func newSpawner(Config) (*spawner, error) { return &spawner{}, nil }
func (s *spawner) do(start func())        { start() }
func (s *spawner) close()                 {}

func (s *spawner) setup(Command, limit) (*childSetup, error) { return nil, nil }

func (s *spawner) confinement() Confinement {
	return Confinement{Reasons: []string{"only Linux can confine a program"}}
}

// childSetup is not used here.
type childSetup struct{}

func (*childSetup) close() {}

func (processGroupBackend) enforced(Limits) Limits       { return Limits{} }
func (processGroupBackend) open(Limits) (sandbox, error) { return &processGroup{}, nil }
func (processGroupBackend) close() error                 { return nil }

// processGroup is a sandbox: a process group, or a single process.
type processGroup struct{ leader int }

func (g *processGroup) start(l launch, p *process) error {
	err := p.start(l)
	g.leader = p.pid
	return err
}

func (g *processGroup) usage(*Usage)       {}
func (g *processGroup) closeIfEmpty() bool { return false }
func (g *processGroup) close() error       { return nil }
