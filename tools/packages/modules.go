package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// module is a module that is linked into the program on one target at least.
type module struct {
	path, version string
	sum           string // as in go.sum; none for the standard library
	dir           string
	license       string // SPDX identifier
}

// linkedModules returns the modules that the binaries say they are made of, and
// the standard library, sorted by path.
func linkedModules(binaries []string) ([]module, error) {
	modules := make(map[string]module)
	for _, binary := range binaries {
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			return nil, fmt.Errorf("read which modules are in %s: %w", binary, err)
		}
		for _, dep := range info.Deps {
			modules[dep.Path] = module{path: dep.Path, version: dep.Version, sum: dep.Sum}
		}
		modules["std"] = module{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}
	}
	for path, m := range modules {
		args := []string{"list", "-m", "-f", "{{.Dir}}", path}
		if path == "std" {
			args = []string{"env", "GOROOT"}
		}
		dir, err := exec.Command("go", args...).Output()
		if err != nil {
			return nil, fmt.Errorf("find module %s: %w", path, err)
		}
		m.dir = strings.TrimSpace(string(dir))
		text, err := m.licenseText()
		if err != nil {
			return nil, err
		}
		if m.license, err = spdx(text); err != nil {
			return nil, fmt.Errorf("module %s: %w", path, err)
		}
		modules[path] = m
	}
	return slices.SortedFunc(maps.Values(modules), func(a, b module) int { return strings.Compare(a.path, b.path) }), nil
}

// licenseText returns the license and notice files of a module.
func (m module) licenseText() ([]byte, error) {
	files, err := os.ReadDir(m.dir)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, file := range files {
		if !regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)(\.(txt|md))?$`).MatchString(file.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(m.dir, file.Name()))
		if err != nil {
			return nil, err
		}
		text.Write(append(bytes.TrimSpace(content), "\n\n"...))
	}
	if text.Len() == 0 {
		return nil, fmt.Errorf("module %s has no license file in %s", m.path, m.dir)
	}
	return text.Bytes(), nil
}

// spdx recognizes the licenses that are fine for a program under the Apache
// License. Any other fails the build, so that a person looks at it.
func spdx(text []byte) (string, error) {
	flat := strings.Join(strings.Fields(string(text)), " ")
	for _, license := range []struct{ phrase, id string }{
		{"Mozilla Public License Version 2.0", "MPL-2.0"},
		{"Mozilla Public License, version 2.0", "MPL-2.0"},
		{"Apache License Version 2.0", "Apache-2.0"},
		{"Neither the name", "BSD-3-Clause"},
		{"Redistribution and use in source and binary forms", "BSD-2-Clause"},
		{"Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"},
	} {
		if strings.Contains(flat, license.phrase) {
			return license.id, nil
		}
	}
	return "", errors.New("its license is none of those that spdx in tools/packages knows; may it be linked in?")
}

// noticesText lists the modules with their licenses.
func noticesText(modules []module) ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprint(&text, "agent is licensed under the Apache License 2.0. These Go modules are linked into it,\nsome on some systems only:\n\n")
	for _, m := range modules {
		fmt.Fprintf(&text, "  %s %s (%s)\n", m.path, m.version, m.license)
	}
	for _, m := range modules {
		license, err := m.licenseText()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "\n%s\n%s %s\n\n%s", strings.Repeat("=", 80), m.path, m.version, license)
	}
	return text.Bytes(), nil
}

// writeBOM writes the bill of materials, in CycloneDX. It has no serial number,
// which would differ each time.
func (r *release) writeBOM(modules []module) error {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.Time.UTC().Format("2006-01-02T15:04:05Z"),
		Component: &cdx.Component{
			Type: cdx.ComponentTypeApplication, BOMRef: "agent", Name: "github.com/lodastack/agent", Version: r.Version,
			PackageURL: "pkg:golang/github.com/lodastack/agent@" + r.Version, Licenses: licensed("Apache-2.0"),
		},
	}
	var components []cdx.Component
	var refs []string
	for _, m := range modules {
		url := "pkg:golang/" + m.path + "@" + m.version
		components = append(components, cdx.Component{
			Type: cdx.ComponentTypeLibrary, BOMRef: url, Name: m.path, Version: m.version, PackageURL: url,
			Scope: cdx.ScopeRequired, Licenses: licensed(m.license),
			Properties: &[]cdx.Property{{Name: "go.sum", Value: m.sum}},
		})
		refs = append(refs, url)
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: "agent", Dependencies: &refs}}
	file, err := os.Create(filepath.Join(dist, fmt.Sprintf("agent-%s.cdx.json", r.bare())))
	if err != nil {
		return err
	}
	if err := cdx.NewBOMEncoder(file, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return fmt.Errorf("write the bill of materials: %w", err)
	}
	return file.Close()
}

func licensed(id string) *cdx.Licenses { return &cdx.Licenses{{License: &cdx.License{ID: id}}} }
