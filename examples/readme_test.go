package examples_test

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
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

// body returns the source of a function's body.
func body(t *testing.T, file string, source any, function string) string {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, source, parser.ParseComments)
	require.NoError(t, err)
	for _, declared := range parsed.Decls {
		if f, ok := declared.(*ast.FuncDecl); ok && f.Name.Name == function {
			var text strings.Builder
			require.NoError(t, printer.Fprint(&text, files, &printer.CommentedNode{Node: f.Body, Comments: parsed.Comments}))
			return text.String()
		}
	}
	require.FailNow(t, "no such function", function)
	return ""
}

func TestProgramOfTheReadmeIsTheExampleOfThePackage(t *testing.T) {
	require.Equal(t, body(t, "../example_test.go", nil, "Example"), body(t, "main.go", readmeBlock(t, "go"), "main"))
}

func TestProgramOfTheReadmeMeasuresItsQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	binary := filepath.Join(t.TempDir(), "program")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, write(t, "main.go", readmeBlock(t, "go"))).CombinedOutput()
	require.NoError(t, err, "%s", output)
	p := run(t, binary)
	waitFor(t, p.stdout, `^jobs\.waiting,host=\S+ value=1 \d+$`)
	p.interrupt()
}

func TestConfigOfTheReadmeIsGood(t *testing.T) {
	cfg, err := stock.ReadConfig(write(t, "agent.conf", readmeBlock(t, "toml")))
	require.NoError(t, err)
	for _, warning := range cfg.Warnings {
		// Nothing is signed in the first minutes, and whether root's git has a
		// user of its own depends on the machine.
		require.Regexp(t, "plugins need no signature|git runs as root", warning)
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
