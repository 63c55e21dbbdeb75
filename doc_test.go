package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocOfAPackageNamesEachOfItsFiles(t *testing.T) {
	for _, doc := range []string{"doc.go", "stock/stock.go", "cmd/agent/main.go"} {
		t.Run(doc, func(t *testing.T) { requireNamesFiles(t, doc) })
	}
}

// requireNamesFiles requires that the package comment in the file doc names each file of its
// directory, and no other.
func requireNamesFiles(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	doc, _, _ := strings.Cut(string(text), "\npackage ")
	dir := filepath.Dir(path)
	words := strings.FieldsFunc(doc, func(r rune) bool { return strings.ContainsRune(" \t\n,;:()", r) })
	for i, word := range words {
		words[i] = strings.TrimSuffix(word, ".")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		if name := filepath.Base(file); name != "doc.go" && !strings.HasSuffix(name, "_test.go") {
			require.Contains(t, words, name)
		}
	}
	for _, word := range words {
		if strings.HasSuffix(word, ".go") && !strings.Contains(word, "/") {
			require.FileExists(t, filepath.Join(dir, word))
		}
	}
}
