//go:build !linux

package cell

import (
	"os"
)

// openBlock returns the only kind of cells there is here.
func openBlock(Config) (block, limiter, error) { return groupBlock{}, nil, nil }

// spawner starts processes from whichever thread.
type spawner struct{}

func newSpawner(Config) (*spawner, error)      { return &spawner{}, nil }
func (s *spawner) do(start func() error) error { return start() }
func (s *spawner) close()                      {}

// usageOf returns what the leader and the children that it waited for have
// used.
func usageOf(state *os.ProcessState) Usage {
	return Usage{CPU: state.UserTime() + state.SystemTime()}
}

func (groupBlock) open() (cell, error) { return &group{}, nil }
func (groupBlock) close() error        { return nil }

// group is a cell.
type group struct{ leader int }

func (g *group) start(_ *os.ProcAttr, start func() (*os.Process, error)) (*os.Process, error) {
	p, err := start()
	if err == nil {
		g.leader = p.Pid
	}
	return p, err
}

func (g *group) usage(*Usage) {}
func (g *group) close() error { return nil }
