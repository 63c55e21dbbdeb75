package agent

import "github.com/lodastack/agent/internal/machine"

// WithAddresses stands for what the system says of the host's addresses.
func WithAddresses(read func() ([]string, error)) Option {
	return func(c *config) error {
		c.addresses = read
		return nil
	}
}

// WithMachine stands for what the system says of the machine.
func WithMachine(serial, id string) Option {
	return func(c *config) error {
		c.machine = func() machine.Identity { return machine.Identity{Serial: serial, ID: id} }
		return nil
	}
}

// Hold locks the agent, as a fault would, until release is called.
func (a *Agent) Hold() (release func()) {
	a.mu.Lock()
	return a.mu.Unlock
}
