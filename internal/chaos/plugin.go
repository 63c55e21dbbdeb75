//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// pluginPath is the repository of the plugin, as a registry names it.
const pluginPath = "chaos/pulse"

// makePlugin makes the repository of a plugin below dir.
func makePlugin(dir string) error {
	repo := filepath.Join(dir, pluginPath+".git")
	if err := os.MkdirAll(repo, 0o755); err != nil {
		return err
	}
	script := "#!/bin/sh\necho '[{\"name\":\"pulse\",\"value\":1}]'\n"
	if err := os.WriteFile(filepath.Join(repo, "plugin"), []byte(script), 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=release"},
		{"add", "--all"},
		{"-c", "user.name=chaos", "-c", "user.email=chaos@example.com", "commit", "--quiet", "--message=a plugin"},
	} {
		command := exec.Command("git", args...)
		command.Dir = repo
		command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}
