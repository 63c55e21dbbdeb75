package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// newPlugins has a first plugin in each language, in a file of its name, and
// a file for a CI server. See [pick].
//
//go:embed newplugin
var newPlugins embed.FS

// pluginNewArgs are the arguments of agent plugin new.
type pluginNewArgs struct {
	language string
	format   string
	daemon   bool
	name     string // of its directory
}

func pluginNewCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use:   "new [--lang sh|python|go] [--format json|influx|prometheus|nagios] [--daemon] DIR",
		Short: "write a small plugin into a directory, as a start", DisableFlagsInUseLine: true, Args: arguments(1, 1),
		Long: "Makes a directory with a small plugin, which counts the entries of directories, and prints what to do next. " +
			"It includes a workflow for GitHub Actions that tests the plugin. The directory may exist if it is empty.",
		Example:     "agent plugin new --lang python entries && agent plugin test entries -- /etc",
		Annotations: exitCodes("0  the plugin is written", "1  it could not be written, or the directory is not empty", "2  the command line is wrong"),
	}
	var p pluginNewArgs
	flags := command.Flags()
	flags.StringVar(&p.language, "lang", "sh", "`sh|python|go`: the language of the plugin")
	_ = command.RegisterFlagCompletionFunc("lang", oneOf(newLanguages...))
	flags.StringVar(&p.format, "format", "json", "a `FORMAT` of the output, such as influx")
	_ = command.RegisterFlagCompletionFunc("format", oneOf(pluginoutput.Formats()...))
	flags.BoolVar(&p.daemon, "daemon", false, "it is started once, and measures at each newline")
	command.RunE = func(_ *cobra.Command, args []string) error {
		p.name = filepath.Base(args[0])
		return pluginNew(c, args[0], p)
	}
	return command
}

var newLanguages = []string{"sh", "python", "go"}

func pluginNew(c *call, dir string, p pluginNewArgs) error {
	files, err := p.files()
	if err != nil {
		return err
	}
	if err := makeEmpty(dir); err != nil {
		return err
	}
	if err := writeFiles(dir, files); err != nil {
		return err
	}
	build := ""
	if p.language == "go" {
		build = fmt.Sprintf("  (cd %s && CGO_ENABLED=0 go build -o plugin .)   # and again after each change\n", dir)
	}
	_, err = fmt.Fprintf(c.stdout, "%s is ready. Next:\n%s  agent plugin test %s -- /etc\n  git init %s   # the agent installs plugins from git\n", dir, build, dir, dir)
	return err
}

func writeFiles(dir string, files []pluginFile) error {
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.content, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// makeEmpty makes a directory, or wants it to be empty.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty (%s is there): name another directory", dir, entries[0].Name())
	}
	return err
}

// pluginFile is a file of a new plugin.
type pluginFile struct {
	name    string // in its directory, with slashes
	content []byte
	mode    fs.FileMode
}

// check returns an error if there is no such plugin.
func (p pluginNewArgs) check() error {
	if !slices.Contains(newLanguages, p.language) {
		return usageError{fmt.Sprintf("--lang %s: there are sh, python and go", p.language)}
	}
	if err := pluginoutput.Format(p.format).Check(); err != nil || p.format == "" {
		return usageError{fmt.Sprintf("--format %s: there are %s", p.format, strings.Join(pluginoutput.Formats(), ", "))}
	}
	if err := manifest.CheckMode(p.mode(), pluginoutput.Format(p.format)); err != nil {
		return usageError{"--daemon: " + err.Error()}
	}
	if p.language == "go" && (strings.Trim(p.name, ".") == "" || strings.ContainsAny(p.name, " \"'`/\\")) {
		return errors.New("name the directory like the plugin: its name becomes that of a Go module")
	}
	return nil
}

func (p pluginNewArgs) mode() string {
	if p.daemon {
		return manifest.Daemon
	}
	return manifest.Run
}

// files returns the files of the plugin.
func (p pluginNewArgs) files() ([]pluginFile, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	source, err := newPlugins.ReadFile("newplugin/" + p.language)
	if err != nil {
		return nil, err
	}
	workflow, err := newPlugins.ReadFile("newplugin/ci")
	if err != nil {
		return nil, err
	}
	words := []string{p.language, p.format}
	if p.format != string(pluginoutput.Nagios) { // which has an end of its own
		words = append(words, p.mode())
	}
	files := []pluginFile{{".github/workflows/plugin.yml", pick(workflow, words), 0o644}}
	if toml := p.manifest(); toml != "" {
		files = append(files, pluginFile{manifest.Name, []byte(toml), 0o644})
	}
	if p.language != "go" {
		return append(files, pluginFile{"plugin", pick(source, words), 0o755}), nil
	}
	return append(files,
		pluginFile{"main.go", pick(source, words), 0o644},
		pluginFile{"go.mod", []byte("module " + strings.Trim(p.name, ".") + "\n\ngo 1.24\n"), 0o644},
		pluginFile{".gitignore", []byte("/plugin\n"), 0o644}), nil
}

// manifest is the plugin.toml of the plugin. It is empty if all is as by default.
func (p pluginNewArgs) manifest() (toml string) {
	if p.format != string(pluginoutput.JSON) {
		toml = fmt.Sprintf("format = %q\n", p.format)
	}
	if p.daemon {
		toml += fmt.Sprintf("mode = %q\nsignal = %q\n", manifest.Daemon, manifest.Stdin)
	}
	return toml
}

// pick returns the lines of a text that are for one of the words. Lines after "@ a b" are
// for a or b, and lines after "@" are for all.
func pick(text []byte, words []string) []byte {
	var picked []byte
	wanted := true
	for line := range bytes.Lines(text) {
		if marks, isMark := bytes.CutPrefix(line, []byte("@")); isMark {
			only := strings.Fields(string(marks))
			wanted = len(only) == 0 || slices.ContainsFunc(only, func(word string) bool { return slices.Contains(words, word) })
		} else if wanted {
			picked = append(picked, line...)
		}
	}
	return picked
}
