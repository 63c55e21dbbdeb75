package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	containerregistry "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// writeImage writes an image for all architectures, as an archive of an OCI
// layout, which needs no container daemon to make and can be loaded into each.
func (r *release) writeImage(architectures ...string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range architectures {
		image, err := r.image(arch)
		if err != nil {
			return fmt.Errorf("make the image for %s: %w", arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: containerregistry.Descriptor{Platform: &containerregistry.Platform{OS: "linux", Architecture: arch}},
		})
	}
	dir := filepath.Join(stage, "image")
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	// Docker names what it loads by this annotation.
	names := map[string]string{"io.containerd.image.name": "docker.io/lodastack/agent:" + r.bare(), "org.opencontainers.image.ref.name": r.bare()}
	if err := path.AppendIndex(index, layout.WithAnnotations(names)); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	var entries []entry
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error { // in the order of names
		if err != nil || file == dir {
			return err
		}
		name, _ := filepath.Rel(dir, file) // file is below dir
		if d.IsDir() {
			entries = append(entries, entry{name: name + "/", mode: 0o755})
			return nil
		}
		content, err := os.ReadFile(file)
		entries = append(entries, entry{name: name, mode: 0o644, content: content})
		return err
	})
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dist, fmt.Sprintf("agent-%s-image.tar", r.bare())))
	if err != nil {
		return err
	}
	if err := writeTar(file, entries, r.Time); err != nil {
		return err
	}
	return file.Close()
}

// image is the program alone, with the certificates that it trusts.
func (r *release) image(arch string) (containerregistry.Image, error) {
	entries, err := r.imageFiles(arch)
	if err != nil {
		return nil, err
	}
	var files bytes.Buffer
	if err := writeTar(&files, entries, r.Time); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, r.imageConfig(arch, image))
}

func (r *release) imageConfig(arch string, image containerregistry.Image) *containerregistry.ConfigFile {
	file, err := image.ConfigFile()
	if err != nil {
		file = &containerregistry.ConfigFile{} // an image in memory always has one
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", arch, containerregistry.Time{Time: r.Time.UTC()}
	file.Config = containerregistry.Config{
		Entrypoint: []string{"/usr/bin/agent"}, Cmd: []string{"start"}, WorkingDir: "/",
		Env: []string{"PATH=/usr/bin:/bin"},
		Labels: map[string]string{
			"org.opencontainers.image.source": "https://github.com/lodastack/agent", "org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version": r.Version, "org.opencontainers.image.revision": r.Commit,
		},
	}
	return file
}

// imageFiles are the files of the image. The agent runs as root, as it measures
// the host; agent-plugin is there so that a config of the packages is good.
func (r *release) imageFiles(arch string) ([]entry, error) {
	program, err := os.ReadFile(target{os: "linux", arch: arch}.binary())
	if err != nil {
		return nil, err
	}
	licenses, err := os.ReadFile(filepath.Join(stage, notices))
	if err != nil {
		return nil, err
	}
	dir := func(name string, mode int64) entry { return entry{name: name + "/", mode: mode} }
	file := func(name string, mode int64, content []byte) entry {
		return entry{name: name, mode: mode, content: content}
	}
	return []entry{
		dir("etc", 0o755),
		file("etc/group", 0o644, []byte("root:x:0:\nagent-plugin:x:990:\nnogroup:x:65534:\n")),
		file("etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nagent-plugin:x:990:990::/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n")),
		dir("etc/ssl", 0o755), dir("etc/ssl/certs", 0o755), file("etc/ssl/certs/ca-certificates.crt", 0o644, certificates()),
		dir("host", 0o755), dir("run", 0o755), dir("tmp", 0o1777),
		dir("usr", 0o755), dir("usr/bin", 0o755), file("usr/bin/agent", 0o755, program),
		dir("usr/share", 0o755), dir("usr/share/doc", 0o755), dir("usr/share/doc/agent", 0o755), file("usr/share/doc/agent/"+notices, 0o644, licenses),
		dir("var", 0o755), dir("var/lib", 0o755), dir("var/lib/agent", 0o700), dir("var/lib/agent-plugins", 0o755),
		{name: "var/run", mode: 0o777, link: "../run"},
	}, nil
}

// certificates are the roots that Mozilla trusts for TLS, without those that it
// trusts with conditions that a PEM file cannot say.
func certificates() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes all
		}
	}
	return text.Bytes()
}
