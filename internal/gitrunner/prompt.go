package gitrunner

import (
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/manifest"
)

// prompt returns how often a plugin gets a newline on its standard input. Zero: never.
func prompt(p agent.Plugin, about manifest.Manifest, daemon bool) time.Duration {
	if !daemon || about.Signal != manifest.Stdin {
		return 0
	}
	return p.Interval
}
