package agent

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Build identifies a build of the agent. An unknown part is "unknown". The branch always is:
// a commit gives the same build on every branch.
type Build struct {
	// Version as git describe prints it: v1.2.0, or v1.2.0-5-g0123456789ab five
	// commits later. In a program that embeds the agent, the module's version.
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Branch  string `json:"branch"`
	// Time of the commit, in RFC 3339, so that a build can be repeated.
	Time      string `json:"buildtime"`
	GoVersion string `json:"goversion"`
}

// stamp is version, commit and time of the commit, with blanks between them. It
// is empty unless the Makefile had the linker set it. Nothing else writes it.
var stamp string

// modulePath is how this module appears in the build information of a program
// that embeds it.
const modulePath = "github.com/lodastack/agent"

// ReadBuild returns the build of this module that `make build`, or else the Go toolchain,
// recorded in the running program.
func ReadBuild() Build { return readBuild(stamp) }

func readBuild(stamp string) Build {
	b := Build{Version: "unknown", Commit: "unknown", Branch: "unknown", Time: "unknown", GoVersion: runtime.Version()}
	if f := strings.Fields(stamp); len(f) == 3 {
		b.Version, b.Commit, b.Time = f[0], f[1], f[2]
		return b
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Path != modulePath {
		for _, dep := range info.Deps {
			if dep.Path == modulePath {
				b.Version = dep.Version
			}
		}
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		}
	}
	return b
}

// WithBuild sets what the agent reports as its build. The default is
// [ReadBuild].
func WithBuild(b Build) Option {
	return onlyNew("WithBuild", func(c *config) error {
		c.build = b
		return nil
	})
}

// WithStarted sets the start time in [Status], for a program that makes one agent after
// another, as at a reload. The default is the time of [New].
func WithStarted(t time.Time) Option {
	return onlyNew("WithStarted", func(c *config) error {
		if t.IsZero() || t.After(time.Now()) {
			return fmt.Errorf("WithStarted: %s is not in the past", t)
		}
		c.started = t
		return nil
	})
}
