package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/stock"
)

// readmeBlock returns the only block of code in a language.
func readmeBlock(t *testing.T, language string) string {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	parts := strings.Split(string(readme), "```"+language+"\n")
	require.Len(t, parts, 2)
	block, _, found := strings.Cut(parts[1], "```")
	require.True(t, found)
	return block
}

func TestProgramOfTheReadmeBuilds(t *testing.T) {
	source := write(t, "main.go", readmeBlock(t, "go"))
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(t.TempDir(), "program"), source).CombinedOutput()
	require.NoError(t, err, "%s", output)
}

func TestConfigOfTheReadmeIsGood(t *testing.T) {
	cfg, err := stock.ReadConfig(write(t, "agent.conf", readmeBlock(t, "toml")))
	require.NoError(t, err)
	for _, warning := range cfg.Warnings {
		// Whether root's git has a user of its own depends on the machine.
		require.Contains(t, warning, "git runs as root")
	}
	require.Equal(t, []string{"127.0.0.1:4150"}, cfg.Output.Servers)
}

func TestLinksOfTheReadmeLeadSomewhere(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	for _, part := range strings.Split(string(readme), "](")[1:] {
		target, _, _ := strings.Cut(part, ")")
		_, err := os.Stat(filepath.Join("..", target))
		require.NoError(t, err)
	}
}
