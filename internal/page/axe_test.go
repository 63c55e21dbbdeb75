package page_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// The version of axe-core, and the checksum that npm has of it.
const (
	axeVersion = "axe-core@4.14.1"
	axeSum     = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

// axeCore returns the script that looks for what keeps people from using a page. It is
// half a megabyte, so it is not in the repository. Empty: npm cannot fetch it.
func axeCore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", "--cache", filepath.Join(dir, "cache"), axeVersion)
	npm.Dir = dir
	if err := npm.Run(); err != nil {
		return ""
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	require.NoError(t, err)
	require.Len(t, archives, 1)
	content, err := os.ReadFile(archives[0])
	require.NoError(t, err)
	sum := sha512.Sum512(content)
	require.Equal(t, axeSum, base64.StdEncoding.EncodeToString(sum[:]))
	return fileOf(t, archives[0], "package/axe.min.js")
}

// fileOf returns a file of a packed archive.
func fileOf(t *testing.T, archive, name string) string {
	t.Helper()
	file, err := os.Open(archive)
	require.NoError(t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	for entries := tar.NewReader(unpacked); ; {
		header, err := entries.Next()
		require.NoError(t, err, "%s has no %s", archive, name)
		if header.Name == name {
			content, err := io.ReadAll(entries)
			require.NoError(t, err)
			return string(content)
		}
	}
}

// colours makes the browser prefer light or dark colours.
func colours(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}
