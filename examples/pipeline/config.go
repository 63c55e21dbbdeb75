package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// registryFile says what is collected. The intervals are short, so that there is
// something to see.
const registryFile = `[[namespace]]
name = %q
[namespace.intervals]
CPU = "1s"
MEM = "1s"
NET = "1s"
`

// writeConfig writes the files that an agent needs on a host without a
// registry, and returns the path of its config.
func writeConfig(dir, listen, nsqd string) (string, error) {
	registry := filepath.Join(dir, "registry.toml")
	if err := os.WriteFile(registry, fmt.Appendf(nil, registryFile, namespace), 0o600); err != nil {
		return "", err
	}
	config := fmt.Appendf(nil, `[agent]
	listen = %q
	registryaddr = %q
	pluginsdir = %q
	pidfile = %q

[output]
	servers = [ %q ]

[log]
	loglevel = "WARNING"
`, listen, "file://"+registry, filepath.Join(dir, "plugins"), filepath.Join(dir, "agent.pid"), nsqd)
	path := filepath.Join(dir, "agent.conf")
	return path, os.WriteFile(path, config, 0o600)
}
