package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// notices is the file with the licenses of what is linked into the program.
const notices = "third-party-notices.txt"

// writeDocuments writes what the packages contain besides the program to stage.
func (r *release) writeDocuments(modules []module) error {
	sample, err := r.ask("config", "sample")
	if err != nil {
		return err
	}
	config, err := packagedConfig(string(sample))
	if err != nil {
		return err
	}
	unit, err := os.ReadFile("contrib/agent.service")
	if err != nil {
		return err
	}
	text, err := noticesText(modules)
	if err != nil {
		return err
	}
	changelog, err := r.changelog()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"agent.sample.conf": sample, // for the archives
		"agent.conf":        []byte(config),
		"agent.service":     bytes.ReplaceAll(unit, []byte("/usr/local/bin/agent"), []byte("/usr/bin/agent")),
		notices:             text,
		"changelog.gz":      gzipped(changelog),
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if files["completion."+shell], err = r.ask("completion", shell); err != nil {
			return err
		}
	}
	if _, err := r.ask("man", stage); err != nil {
		return err
	}
	for _, page := range []string{"agent.1", "agent.conf.5"} {
		text, err := os.ReadFile(filepath.Join(stage, page))
		if err != nil {
			return err
		}
		files[page+".gz"] = gzipped(text)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(stage, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ask returns what a command of the program prints.
func (r *release) ask(args ...string) ([]byte, error) {
	output, err := exec.Command(r.program, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("run agent %s: %w", strings.Join(args, " "), err)
	}
	return output, nil
}

// packagedConfig returns the config that packages install: the sample, with the
// users and directories of the packages, and without the addresses of registry
// and nsqd, which only the administrator knows. Without them `agent check` fails,
// and the packages do not start the agent.
func packagedConfig(sample string) (string, error) {
	values := map[string]string{
		"pluginsuser": `"agent-plugin"`, "pluginsdir": `"/var/lib/agent-plugins"`, "datadir": `"/var/lib/agent"`,
	}
	var config strings.Builder
	for line := range strings.Lines(sample) {
		name, _, isKey := strings.Cut(strings.TrimPrefix(line, "#"), " = ")
		value, packaged := values[name]
		switch {
		case packaged:
			line = name + " = " + value + "\n"
			delete(values, name)
		case isKey && !strings.HasPrefix(line, "#"):
			line = "#" + line
		}
		config.WriteString(line)
	}
	if len(values) > 0 {
		return "", fmt.Errorf("the sample config lacks keys that the packages set: %v", values)
	}
	return config.String(), nil
}

// changelog is in the format of Debian, whose tools want one. What has changed
// for users is in CHANGELOG.md.
func (r *release) changelog() ([]byte, error) {
	version, err := packageVersion("deb", r.Version)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "agent (%s) unstable; urgency=medium\n\n  * Build of commit %s. See\n    https://github.com/lodastack/agent/blob/master/CHANGELOG.md\n\n -- %s  %s\n",
		version, r.Commit, "The lodastack developers <lodastack@users.noreply.github.com>", r.Time.UTC().Format(time.RFC1123Z)), nil
}

// gzipped returns the text as gzip -9n writes it, which Debian asks for.
func gzipped(text []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(text)                                  // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}
