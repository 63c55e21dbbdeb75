package examples_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryTestThatTheGuaranteesNameExists(t *testing.T) {
	var sources strings.Builder
	require.NoError(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		sources.Write(content)
		return err
	}))
	guarantees, err := os.ReadFile("../docs/guarantees.md")
	require.NoError(t, err)
	names := regexp.MustCompile("`((Test|Benchmark)[A-Za-z]+)`").FindAllStringSubmatch(string(guarantees), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.True(t, strings.Contains(sources.String(), "\nfunc "+name[1]+"("), "docs/guarantees.md names %s", name[1])
	}
}
