package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeConfig writes the files that an agent needs on a host without a
// registry, and returns the path of its config.
func writeConfig(dir, listen, nsqd string) (string, error) {
	registry := filepath.Join(dir, "registry.toml")
	if err := os.WriteFile(registry, fmt.Appendf(nil, "[[namespace]]\nname = %q\n", namespace), 0o600); err != nil {
		return "", err
	}
	config := fmt.Appendf(nil, `[agent]
	listen = %q
	registryaddr = %q
	pluginsdir = %q
	pidfile = %q

[output]
	servers = [ %q ]
`, listen, "file://"+registry, filepath.Join(dir, "plugins"), filepath.Join(dir, "agent.pid"), nsqd)
	path := filepath.Join(dir, "agent.conf")
	return path, os.WriteFile(path, config, 0o600)
}
