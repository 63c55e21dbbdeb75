package agent_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is where all packages of the agent are.
const module = "github.com/lodastack/agent"

// listed is a package as `go list` describes it. Packages of this module have
// their path in it: "." is the root package, "./stock" the package stock.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// listPackages lists all packages of the module.
func listPackages(t *testing.T) map[string]listed {
	output, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...").Output()
	require.NoError(t, err)
	packages := make(map[string]listed)
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		for _, list := range []*[]string{&p.Imports, &p.TestImports, &p.XTestImports, &p.Deps} {
			for i, path := range *list {
				(*list)[i] = room(path)
			}
		}
		packages[room(p.ImportPath)] = p
	}
}

// room returns the path of a package of this module within it, and any other
// as it is.
func room(path string) string {
	if rest, ok := strings.CutPrefix(path, module); ok && (rest == "" || rest[0] == '/') {
		return "." + rest
	}
	return path
}

// isPart tells whether the package, or what it is within, is a part of the
// agent: parts know no neighbour.
func isPart(path string) bool {
	return slices.ContainsFunc([]string{"nsqoutput", "spool", "httpregistry", "fileregistry", "gitrunner", "hostmetrics"},
		func(part string) bool {
			return path == "./internal/"+part || strings.HasPrefix(path, "./internal/"+part+"/")
		})
}

func TestRootPackageLinksNoPart(t *testing.T) {
	may := []string{
		".",
		"./internal/backoff",
		"./internal/delivery",
		"./internal/httpapi",
		"./internal/lineproto",
		"./internal/nonfinite",
		"./internal/pluginargs",
		"./internal/postbody",
		"./internal/procfs",
		"./internal/repopath",
		"./internal/safefile",
		"./internal/schedule",
		"./internal/statefile",
		"./internal/topic",
	}
	for _, dep := range listPackages(t)["."].Deps {
		require.NotContains(t, []string{"os/exec", "database/sql", "testing"}, dep)
		require.NotRegexp(t, `^(github\.com/nsqio|go\.etcd\.io)/`, dep)
		if strings.HasPrefix(dep, "./") {
			require.Contains(t, may, dep)
		}
	}
}

func TestPartsKnowNoNeighbour(t *testing.T) {
	for path, p := range listPackages(t) {
		if !isPart(path) {
			continue
		}
		for _, dep := range p.Deps {
			require.False(t, isPart(dep) && !strings.HasPrefix(dep, path+"/"), "%s links its neighbour %s", path, dep)
			require.NotEqual(t, "./stock", dep, "%s links the door", path)
		}
	}
}

func TestOnlyStockHandsThePartsOut(t *testing.T) {
	for path, p := range listPackages(t) {
		for _, imported := range p.Imports {
			require.False(t, isPart(imported) && path != "./stock" && !isPart(path), "%s imports %s past stock", path, imported)
		}
	}
}

func TestNothingImportsCommandsAndExamples(t *testing.T) {
	for path, p := range listPackages(t) {
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			require.NotRegexp(t, `^\./(cmd|examples)/`, imported, "imported by %s", path)
		}
	}
}
