package agent

import (
	"runtime"
	"runtime/debug"
)

// Build tells which build of the agent this is.
type Build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	Branch    string `json:"branch"`
	Time      string `json:"buildtime"`
	GoVersion string `json:"goversion"`
}

// modulePath is how this module appears in the build information of a program
// that embeds it.
const modulePath = "github.com/lodastack/agent"

// ReadBuild returns what the Go toolchain recorded about this module in the
// running program. Fields that it did not record are "unknown".
func ReadBuild() Build {
	b := Build{Version: "unknown", Commit: "unknown", Branch: "unknown", Time: "unknown", GoVersion: runtime.Version()}
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
