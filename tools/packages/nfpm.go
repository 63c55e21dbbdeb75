package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/deb"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// pack builds a deb, rpm or apk of packaging/nfpm.yaml.
func (r *release) pack(format, arch string) (err error) {
	version, err := packageVersion(format, r.Version)
	if err != nil {
		return err
	}
	environment := map[string]string{"ARCH": arch, "VERSION": version}
	config, err := nfpm.ParseFileWithEnvMapping("packaging/nfpm.yaml", func(name string) string { return environment[name] })
	if err != nil {
		return fmt.Errorf("read packaging/nfpm.yaml: %w", err)
	}
	info, err := config.Get(format)
	if err != nil {
		return fmt.Errorf("read what packaging/nfpm.yaml says of %s: %w", format, err)
	}
	info = nfpm.WithDefaults(info)
	info.MTime = r.Time
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dist, packager.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	if err := packager.Package(info, file); err != nil {
		return fmt.Errorf("make the %s for %s: %w", format, arch, err)
	}
	return file.Close()
}
