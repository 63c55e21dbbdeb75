package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file, directory or link of an archive. Directories end in a slash.
type entry struct {
	name    string
	mode    int64
	link    string
	content []byte
}

// archive packs the program of a target with what one needs to install it by hand.
func (r *release) archive(t target) error {
	top := fmt.Sprintf("agent-%s-%s", r.bare(), t)
	sources := [][2]string{
		{t.program(), t.binary()}, {"LICENSE", "LICENSE"}, {"README.md", "README.md"},
		{notices, filepath.Join(stage, notices)}, {"agent.conf", filepath.Join(stage, "agent.sample.conf")},
	}
	if t.os != "windows" {
		for _, name := range []string{"agent.1", "agent.conf.5", "completion.bash", "completion.zsh", "completion.fish"} {
			sources = append(sources, [2]string{name, filepath.Join(stage, name)})
		}
	}
	if t.os == "linux" {
		sources = append(sources, [2]string{"agent.service", "contrib/agent.service"}, [2]string{"agent.socket", "contrib/agent.socket"})
	}
	entries := []entry{{name: top + "/", mode: 0o755}}
	for _, source := range sources {
		content, err := os.ReadFile(source[1])
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if source[0] == t.program() {
			mode = 0o755
		}
		entries = append(entries, entry{name: top + "/" + source[0], mode: mode, content: content})
	}
	var packed bytes.Buffer
	if t.os == "windows" {
		if err := writeZip(&packed, entries, r.Time); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dist, top+".zip"), packed.Bytes(), 0o644)
	}
	compressor := gzip.NewWriter(&packed)
	if err := writeTar(compressor, entries, r.Time); err != nil {
		return err
	}
	if err := compressor.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dist, top+".tar.gz"), packed.Bytes(), 0o644)
}

// writeTar writes an archive whose files belong to root.
func writeTar(w io.Writer, entries []entry, modified time.Time) error {
	archive := tar.NewWriter(w)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), ModTime: modified, Typeflag: tar.TypeReg, Linkname: e.link}
		switch {
		case e.link != "":
			header.Typeflag = tar.TypeSymlink
		case strings.HasSuffix(e.name, "/"):
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("pack %s: %w", e.name, err)
		}
		if _, err := archive.Write(e.content); err != nil {
			return fmt.Errorf("pack %s: %w", e.name, err)
		}
	}
	return archive.Close()
}

func writeZip(w io.Writer, entries []entry, modified time.Time) error {
	archive := zip.NewWriter(w)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: modified.UTC()}
		header.SetMode(os.FileMode(e.mode))
		file, err := archive.CreateHeader(header)
		if err != nil {
			return fmt.Errorf("pack %s: %w", e.name, err)
		}
		if _, err := file.Write(e.content); err != nil {
			return fmt.Errorf("pack %s: %w", e.name, err)
		}
	}
	return archive.Close()
}

// writeChecksums writes a file that sha256sum -c reads.
func writeChecksums() error {
	files, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(dist, file.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), file.Name())
	}
	return os.WriteFile(filepath.Join(dist, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
