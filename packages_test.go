package agent_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sources finds the files that packaging/nfpm.yaml names, and directories the
// directories below /var that it makes, with their modes.
var (
	sources     = regexp.MustCompile(`packaging/[a-z]+/[a-z.-]+|packaging/agent\.[a-z]+|LICENSE`)
	directories = regexp.MustCompile(`dst: (/var/\S+), type: dir, file_info: \{ mode: (\d+)`)
)

func TestThePackagesContainFilesThatExist(t *testing.T) {
	config, err := os.ReadFile("packaging/nfpm.yaml")
	require.NoError(t, err)
	found := sources.FindAllString(string(config), -1)
	require.NotEmpty(t, found)
	for _, name := range found {
		require.FileExists(t, name)
	}
	files, err := os.ReadDir("packaging")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasPrefix(file.Name(), "agent.") {
			require.Contains(t, found, path.Join("packaging", file.Name()), "a file that no package contains")
		}
	}
}

func TestPackagesAndTmpfilesMakeTheSameDirectories(t *testing.T) {
	config, err := os.ReadFile("packaging/nfpm.yaml")
	require.NoError(t, err)
	tmpfiles, err := os.ReadFile("packaging/agent.tmpfiles")
	require.NoError(t, err)
	made := directories.FindAllStringSubmatch(string(config), -1)
	require.Equal(t, len(made), strings.Count(string(tmpfiles), "\nd "))
	for _, directory := range made {
		require.Contains(t, string(tmpfiles), "\nd "+directory[1]+" "+directory[2]+" ")
	}
}
