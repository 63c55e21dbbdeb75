package gitrunner

// takeOver has nothing to do where git runs as the agent's own user.
func takeOver(string, bounds) error { return nil }
