package cell

// Mount shows a confined command the directory From, with what is mounted below it,
// in the place of the directory At.
type Mount struct{ From, At string }

// Confinement says which restrictions of a confined command (see [Command.Writable])
// hold on this host.
type Confinement struct {
	// Files: it writes nowhere else, and neither traces nor reads the memory and
	// environment of what is not of its run.
	Files bool
	// Signals: it signals nothing that is not of its run.
	Signals bool
	// Syscalls: it makes no system call that no plugin needs, such as those that
	// trace, mount, load code into the kernel, or make namespaces.
	Syscalls bool
	// Mounts: [Command.Mounts] can be made.
	Mounts bool
	// Reasons why not all of it holds.
	Reasons []string
}

// Confinement returns what holds for commands with [Command.Writable].
func (w *Warden) Confinement() Confinement { return w.spawner.confinement() }
