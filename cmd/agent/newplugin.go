package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// newPlugins has a plugin to begin with in each language, in a directory of its
// name.
//
//go:embed newplugin
var newPlugins embed.FS

func pluginNewCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "new [--lang sh|python|go] DIR", Short: "write a plugin to begin with into a directory", DisableFlagsInUseLine: true, Args: arguments(1, 1),
		Long: "Makes a directory with a small plugin, which counts the entries of directories, and prints what to do next. " +
			"The directory may exist if it is empty.",
		Example:     "agent plugin new --lang python entries && agent plugin test entries -- /etc",
		Annotations: exitCodes("0  the plugin is written", "1  it could not be written, or there is something in the directory", "2  the command line is wrong"),
	}
	language := command.Flags().String("lang", "sh", "`sh|python|go`: the language of the plugin")
	_ = command.RegisterFlagCompletionFunc("lang", oneOf("sh", "python", "go"))
	command.RunE = func(_ *cobra.Command, args []string) error { return pluginNew(c, args[0], *language) }
	return command
}

func pluginNew(c *call, dir, language string) error {
	files, err := pluginFiles(language, filepath.Base(dir))
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
	if language == "go" {
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
	name    string
	content []byte
	mode    fs.FileMode
}

// pluginFiles returns the files of a new plugin in a language.
func pluginFiles(language, name string) ([]pluginFile, error) {
	if !slices.Contains([]string{"sh", "python", "go"}, language) {
		return nil, usageError{fmt.Sprintf("--lang %s: there are sh, python and go", language)}
	}
	source, mode := "plugin", fs.FileMode(0o755)
	if language == "go" {
		source, mode = "main.go", 0o644
	}
	content, err := newPlugins.ReadFile("newplugin/" + language + "/" + source)
	files := []pluginFile{{source, content, mode}}
	if language == "go" {
		if name = strings.Trim(name, "."); name == "" || strings.ContainsAny(name, " \"'`/\\") {
			return nil, errors.New("name the directory as the plugin is to be called: its name becomes that of a Go module")
		}
		files = append(files, pluginFile{"go.mod", []byte("module " + name + "\n\ngo 1.24\n"), 0o644}, pluginFile{".gitignore", []byte("/plugin\n"), 0o644})
	}
	return files, err
}
