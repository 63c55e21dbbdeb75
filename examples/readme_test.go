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

	"github.com/lodastack/agent/internal/nsqdtest"
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

func TestTheReadmeShowsTheExampleOfThePackage(t *testing.T) {
	block := "\t" + strings.ReplaceAll(strings.TrimSpace(readmeBlock(t, "go")), "\n", "\n\t") + "\n"
	source := strings.ReplaceAll(body(t, "../example_test.go", nil, "Example"), "\t//", " //") // as gofmt has it
	require.Contains(t, source, block)
}

func TestTheExampleOfThePackageMeasuresItsQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	program := "package main\n\nimport (\n\t\"context\"\n\t\"log\"\n\t\"os\"\n\t\"os/signal\"\n\t\"time\"\n\n" +
		"\t\"github.com/lodastack/agent\"\n)\n\nfunc main() " + body(t, "../example_test.go", nil, "Example")
	binary := filepath.Join(t.TempDir(), "program")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, write(t, "main.go", program)).CombinedOutput()
	require.NoError(t, err, "%s", output)
	p := run(t, binary)
	waitFor(t, p.stdout, `^jobs\.waiting,host=\S+ value=1 \d+$`)
	p.interrupt()
}

// TestTheReadmeLeadsToPointsInNSQ runs its commands in an empty directory.
func TestTheReadmeLeadsToPointsInNSQ(t *testing.T) {
	dir := t.TempDir()
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "agent"), "../cmd/agent").CombinedOutput()
	require.NoError(t, err, "%s", output)
	nsqd := nsqdtest.Start(t, nsqdtest.Options{})
	commands := strings.NewReplacer("make build\n", "", "127.0.0.1:4150", nsqd.Addr(),
		"agent.pidfile", "agent.listen = \"127.0.0.1:0\"\nagent.pidfile", "./agent start", "exec ./agent start").Replace(readmeBlock(t, "sh"))
	p := run(t, "/bin/sh", "-ec", "cd "+dir+"\n"+commands)
	require.Equal(t, "agent.conf is good", waitFor(t, p.stdout, `^(agent\.conf is good)$`))
	waitFor(t, p.stdout, `^registry .* is in the namespace demo$`)
	waitFor(t, p.stdout, `^nsqd `+nsqd.Addr()+` answers$`)
	nsqd.Lines(t, "collect.demo", 1)
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
		if strings.HasPrefix(target, "#") { // a heading of its own
			require.Contains(t, strings.ToLower(string(readme)), "## "+strings.ReplaceAll(target[1:], "-", " ")+"\n")
			continue
		}
		_, err := os.Stat(filepath.Join("..", target))
		require.NoError(t, err)
	}
}
