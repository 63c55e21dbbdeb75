package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocOfThePackageNamesEachOfItsFiles(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	words := strings.FieldsFunc(string(doc), func(r rune) bool { return strings.ContainsRune(" \t\n,;()", r) })
	for i, word := range words {
		words[i] = strings.TrimSuffix(word, ".")
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if file != "doc.go" && !strings.HasSuffix(file, "_test.go") {
			require.Contains(t, words, file, "doc.go does not say what this file is for")
		}
	}
	for _, word := range words {
		if strings.HasSuffix(word, ".go") && !strings.Contains(word, "/") {
			require.FileExists(t, word, "doc.go names it")
		}
	}
}
