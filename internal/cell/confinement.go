package cell

// Confinement is what of [Command.Writable] holds on this host.
type Confinement struct {
	// Files: the command writes nowhere else, and neither traces nor reads the
	// memory and environment of what is not of its run.
	Files bool
	// Signals: it signals nothing that is not of its run.
	Signals bool
	// Reason why not all of it holds. Empty: all does.
	Reason string
}

// Confinement returns what holds for commands with [Command.Writable].
func (w *Warden) Confinement() Confinement { return w.spawner.confinement() }
