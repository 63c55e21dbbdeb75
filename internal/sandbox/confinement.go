package sandbox

// Mount is a bind mount: a confined command sees the directory From, with all mounts
// below it, in place of the directory At.
type Mount struct{ From, At string }

// Confinement says which restrictions of a confined command (see [Command.Writable])
// the kernel enforces on this host.
type Confinement struct {
	// Files: the command can write only below the directories of [Command.Writable].
	// It can trace only processes of its own run, and read only their memory and
	// environment.
	Files bool
	// Signals: the command can signal only processes of its own run.
	Signals bool
	// Syscalls: the system calls that trace, mount, load code into the kernel or make
	// namespaces fail, and others that no plugin needs.
	Syscalls bool
	// Mounts: [Command.Mounts] can be made.
	Mounts bool
	// Reasons say why a restriction is missing, one sentence each.
	Reasons []string
}

// Confinement returns the restrictions of commands with [Command.Writable].
func (s *Supervisor) Confinement() Confinement { return s.spawner.confinement() }
