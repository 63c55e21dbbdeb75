package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// foreignFormats are the kinds of checks for other agents, by their flag.
var foreignFormats = map[string]struct {
	format pluginoutput.Format
	about  string
}{
	"nagios":   {pluginoutput.Nagios, "the command is a check for Nagios or Icinga"},
	"telegraf": {pluginoutput.Influx, "the command is for Telegraf's exec (--daemon: execd)"},
	"textfile": {pluginoutput.Prometheus, "the command is for node_exporter's textfile collector"},
}

func foreignFlags() (flags []string) {
	for _, kind := range slices.Sorted(maps.Keys(foreignFormats)) {
		flags = append(flags, "--"+kind)
	}
	return flags
}

// foreignCheck is a command that was written for another agent.
type foreignCheck struct {
	kind    string // a key of foreignFormats; empty: there is no such command
	daemon  bool
	signal  string
	command []string
}

// read takes the command, which follows -- at dash.
func (f *foreignCheck) read(args []string, dash int) error {
	switch {
	case dash < 0 || len(args) == 0 || dash == len(args):
		return usageError{fmt.Sprintf("write -- and the command after --%s", f.kind)}
	case dash > 0:
		return usageError{fmt.Sprintf("%q: --%s runs the command after --, without a directory", args[0], f.kind)}
	case f.daemon && f.kind == "nagios":
		return usageError{"--daemon: a Nagios check ends with its result"}
	case f.signal != "" && (!f.daemon || f.signal != manifest.Stdin):
		return usageError{fmt.Sprintf("--signal %s: the only signal is stdin, with --daemon", f.signal)}
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return usageError{fmt.Sprintf("there is no program %s that can be executed", args[0])}
	}
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	f.command = append([]string{program}, args[1:]...)
	return nil
}

// name is that of the command, as a project could have it.
func (f foreignCheck) name() string {
	base := filepath.Base(f.command[0])
	name := strings.TrimLeft(regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(strings.TrimSuffix(base, filepath.Ext(base)), "-"), "_-")
	if name == "" {
		return "check"
	}
	return name
}

// files make the command a plugin.
func (f foreignCheck) files() []pluginFile {
	words := make([]string, len(f.command))
	for i, word := range f.command {
		words[i] = shellWord(word)
	}
	toml := fmt.Sprintf("format = %q\n", string(foreignFormats[f.kind].format))
	if f.daemon {
		toml += fmt.Sprintf("mode = %q\n", manifest.Daemon)
	}
	if f.signal != "" {
		toml += fmt.Sprintf("signal = %q\n", f.signal)
	}
	return []pluginFile{
		{"plugin", []byte("#!/bin/sh\nexec " + strings.Join(words, " ") + " \"$@\"\n"), 0o755},
		{manifest.Name, []byte(toml), 0o644},
	}
}

// makePlugin writes the files into a new directory that the plugins' user may enter.
func (f foreignCheck) makePlugin() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "agent-plugin-"); err != nil {
		return "", err
	}
	if err = os.Chmod(dir, 0o755); err == nil {
		err = writeFiles(dir, f.files())
	}
	if err != nil {
		os.RemoveAll(dir)
	}
	return dir, err
}

// shellWord quotes a word if a shell would change it.
func shellWord(word string) string {
	if word != "" && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+=:,@%") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
