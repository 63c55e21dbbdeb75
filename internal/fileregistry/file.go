package fileregistry

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lodastack"
)

// file is what a registry file holds.
type file struct {
	Namespaces []namespace `toml:"namespace"`
}

type namespace struct {
	Name      string              `toml:"name"`
	Intervals map[string]duration `toml:"intervals"`
	Plugins   []plugin            `toml:"plugin"`
	Ports     []port              `toml:"port"`
	Processes []process           `toml:"process"`
}

type plugin struct {
	Name     string   `toml:"name"`
	Repo     string   `toml:"repo"`
	Interval duration `toml:"interval"`
	Args     []string `toml:"args"`
}

type port struct {
	Name    string   `toml:"name"`
	Port    int      `toml:"port"`
	Timeout duration `toml:"timeout"`
}

type process struct {
	Name string `toml:"name"`
	Path string `toml:"path"`
}

// parse reads the content of the file called name.
func parse(name string, content []byte) (file, error) {
	dec := toml.NewDecoder(bytes.NewReader(content)).DisallowUnknownFields()
	var f file
	if err := dec.Decode(&f); err != nil {
		return file{}, located(name, err)
	}
	if len(f.Namespaces) == 0 {
		// An editor that has just emptied the file must not end all collecting.
		return file{}, fmt.Errorf("%s: no [[namespace]] in it; write at least one, with its name", name)
	}
	seen := make(map[string]bool)
	for i, ns := range f.Namespaces {
		if strings.TrimSpace(ns.Name) == "" {
			return file{}, fmt.Errorf("%s: [[namespace]] number %d has no name", name, i+1)
		}
		if seen[ns.Name] {
			return file{}, fmt.Errorf("%s: [[namespace]] number %d has the name %q, which an earlier one has; write both as one", name, i+1, ns.Name)
		}
		seen[ns.Name] = true
	}
	return f, nil
}

// located puts name and line before what the TOML library found wrong.
func located(name string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var all []error
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			all = append(all, fmt.Errorf("%s:%d: unknown key %q", name, line, strings.Join(e.Key(), ".")))
		}
		return errors.Join(all...)
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, _ := wrong.Position()
		return fmt.Errorf("%s:%d: %w", name, line, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// assignment makes what the file says about one namespace an assignment. An
// item that makes no sense becomes one of its problems.
func (ns namespace) assignment() agent.Assignment {
	b := lodastack.NewBuilder(ns.Name, "")
	for _, kind := range slices.Sorted(maps.Keys(ns.Intervals)) {
		b.Problem("interval of "+kind, addInterval(b, kind, ns.Intervals[kind]))
	}
	for i, p := range ns.Plugins {
		if p.Name == "" {
			p.Name = strings.TrimSuffix(path.Base(p.Repo), ".git")
		}
		b.Problem(fmt.Sprintf("plugin %d, %.80q", i+1, p.Name), p.addTo(b))
	}
	for i, p := range ns.Ports {
		b.Problem(fmt.Sprintf("port %d, %.80q", i+1, p.Name), p.addTo(b))
	}
	for i, p := range ns.Processes {
		b.Problem(fmt.Sprintf("process %d, %.80q", i+1, p.Name), b.Process(p.Name, p.Path))
	}
	return b.Assignment()
}

func addInterval(b *lodastack.Builder, kind string, interval duration) error {
	every, err := read(interval)
	if err != nil {
		return fmt.Errorf("%w; the default applies", err)
	}
	return b.Interval(strings.ToUpper(kind), every)
}

func (p plugin) addTo(b *lodastack.Builder) error {
	every, err := read(p.Interval)
	if err != nil {
		return fmt.Errorf("its interval %w", err)
	}
	return b.Plugin(p.Name, p.Repo, every, p.Args)
}

func (p port) addTo(b *lodastack.Builder) error {
	timeout, err := read(p.Timeout)
	if err != nil {
		return fmt.Errorf("its timeout %w", err)
	}
	return b.Port(p.Name, p.Port, timeout)
}
