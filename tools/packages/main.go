// Command packages builds what is released, below dist: packages for Debian, Red
// Hat and Alpine, archives, a container image, a bill of materials, the licenses
// of what is linked in, and checksums. The same commit makes the same bytes, in
// whatever directory and at whatever time. `make packages` calls it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const (
	dist  = "dist"
	stage = dist + "/build" // what goes into the packages
)

func main() {
	root := flag.String("C", "../..", "`directory` of the repository")
	onlyDeb := flag.Bool("deb", false, "build the deb for amd64 only")
	flag.Parse()
	if err := run(*root, *onlyDeb); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

func run(root string, onlyDeb bool) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	targets := allTargets()
	if onlyDeb {
		targets = targets[:1]
	}
	var binaries []string
	for _, t := range targets {
		if err := t.build(); err != nil {
			return err
		}
		binaries = append(binaries, t.binary())
	}
	release, err := newRelease()
	if err != nil {
		return err
	}
	// What is in the Linux binaries alone: the deb is the same without the others.
	if _, err := release.document(binaries[:1]); err != nil {
		return err
	}
	if onlyDeb {
		if err := release.pack("deb", "amd64"); err != nil {
			return err
		}
		return os.RemoveAll(stage)
	}
	if err := release.packAll(); err != nil {
		return err
	}
	modules, err := release.document(binaries)
	if err != nil {
		return err
	}
	return release.writeAll(targets, modules)
}

// document writes the documents of what is made of the binaries.
func (r *release) document(binaries []string) ([]module, error) {
	modules, err := linkedModules(binaries)
	if err != nil {
		return nil, err
	}
	return modules, r.writeDocuments(modules)
}

// packAll writes the packages of all formats to dist.
func (r *release) packAll() error {
	for _, format := range []string{"deb", "rpm", "apk"} {
		for _, arch := range []string{"amd64", "arm64"} {
			if err := r.pack(format, arch); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeAll writes what is released beside the packages to dist.
func (r *release) writeAll(targets []target, modules []module) error {
	for _, t := range targets {
		if err := r.archive(t); err != nil {
			return err
		}
	}
	if err := r.writeImage("amd64", "arm64"); err != nil {
		return err
	}
	if err := r.writeBOM(modules); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(stage, notices), filepath.Join(dist, notices)); err != nil {
		return err
	}
	if err := os.RemoveAll(stage); err != nil {
		return err
	}
	return writeChecksums()
}
