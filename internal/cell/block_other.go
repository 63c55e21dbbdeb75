//go:build !linux

package cell

// openBlock returns the only kind of cells of this system.
func openBlock(Config) (block, limiter, error) { return groupBlock{}, nil, nil }

// spawner starts processes from any thread.
type spawner struct{}

func newSpawner(Config) (*spawner, error) { return &spawner{}, nil }
func (s *spawner) do(start func())        { start() }
func (s *spawner) close()                 {}

func (s *spawner) prepare(Command, limit) (*prepared, error) { return nil, nil }

func (s *spawner) confinement() Confinement {
	return Confinement{Reasons: []string{"only Linux can confine a program"}}
}

// prepared is not used here.
type prepared struct{}

func (*prepared) close() {}

func (groupBlock) enforced(Limits) Limits    { return Limits{} }
func (groupBlock) open(Limits) (cell, error) { return &group{}, nil }
func (groupBlock) close() error              { return nil }

// group is a cell.
type group struct{ leader int }

func (g *group) start(l launch, p *process) error {
	err := p.start(l)
	g.leader = p.pid
	return err
}

func (g *group) usage(*Usage)  {}
func (g *group) vacated() bool { return false }
func (g *group) close() error  { return nil }
