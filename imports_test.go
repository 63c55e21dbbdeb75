package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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

// role says what a package is for, and so what it may import.
type role string

const (
	rootRole    role = "root"    // what an agent is: its nouns and the loop that joins them
	workRole    role = "work"    // knows no noun of the agent
	nounsRole   role = "nouns"   // knows the agent's nouns, for several parts
	partRole    role = "part"    // a real part of the agent, which knows no other
	doorRole    role = "door"    // hands the parts out
	commandRole role = "command" // opens the door
	fakesRole   role = "fakes"   // fakes and contract suites for whoever embeds the agent
	worldRole   role = "world"   // something real for tests: an nsqd, a registry, repositories
	trialRole   role = "trial"   // a program that measures or tries the agent
	exampleRole role = "example" // what users write
)

// roles of packages, and of all that are below them.
var roles = map[string]role{
	".": rootRole, "./stock": doorRole, "./cmd": commandRole, "./agenttest": fakesRole, "./examples": exampleRole,

	"./internal/audit": workRole, "./internal/sockdiag": workRole,
	"./internal/backoff": workRole, "./internal/budget": workRole, "./internal/configfile": workRole, "./internal/delivery": workRole, "./internal/editdistance": workRole,
	"./internal/event": workRole, "./internal/explain": workRole, "./internal/machine": workRole,
	"./internal/filelock": workRole, "./internal/hostport": workRole, "./internal/httpapi": workRole, "./internal/httpserver": workRole, "./internal/influxdb": workRole, "./internal/lineproto": workRole,
	"./internal/jsontext": workRole, "./internal/otlp": workRole, "./internal/logfile": workRole, "./internal/manifest": workRole, "./internal/nonfinite": workRole, "./internal/pidfile": workRole, "./internal/pipewriter": workRole, "./internal/pluginargs": workRole, "./internal/pluginoutput": workRole, "./internal/plugins": workRole, "./internal/policy": workRole,
	"./internal/postbody": workRole, "./internal/procfs": workRole, "./internal/page": workRole, "./internal/warnings": workRole, "./internal/recent": workRole, "./internal/repopath": workRole, "./internal/safedir": workRole,
	"./internal/safefile": workRole, "./internal/sandbox": workRole, "./internal/schedule": workRole, "./internal/sdnotify": workRole, "./internal/signature": workRole, "./internal/statefile": workRole, "./internal/systemca": workRole,
	"./internal/terminal": workRole, "./internal/topic": workRole, "./internal/waitgroup": workRole,

	"./internal/lodastack": nounsRole, "./internal/namespacefile": nounsRole,

	"./internal/fileregistry": partRole, "./internal/gitregistry": partRole, "./internal/gitrunner": partRole, "./internal/hostmetrics": partRole,
	"./internal/httpregistry": partRole, "./internal/nsqoutput": partRole, "./internal/spool": partRole, "./internal/statsd": partRole,

	"./internal/addresstest": worldRole, "./internal/agentbinary": worldRole, "./internal/gittest": worldRole, "./internal/nsqdtest": worldRole, "./internal/registrytest": worldRole,

	"./internal/bench": trialRole, "./internal/chaos": trialRole,
}

// mayImport says packages of which roles a role may import, outside of tests.
var mayImport = map[role][]role{
	rootRole:    {workRole},
	workRole:    {workRole},
	nounsRole:   {rootRole, workRole, nounsRole},
	partRole:    {rootRole, workRole, nounsRole},
	doorRole:    {rootRole, workRole, partRole},
	commandRole: {rootRole, workRole, doorRole},
	fakesRole:   {rootRole},
	worldRole:   {workRole, worldRole},
	trialRole:   {rootRole, workRole, doorRole, worldRole},
	exampleRole: {rootRole, doorRole},
}

// place returns the entry of roles for path: path itself, or a directory above it.
func place(path string) (string, error) {
	for at := path; ; at = at[:strings.LastIndex(at, "/")] {
		if _, ok := roles[at]; ok && (at != "." || path == ".") {
			return at, nil
		}
		if !strings.Contains(at, "/") {
			return "", fmt.Errorf("package %s has no role: give it one in roles of imports_test.go "+
				"(work if it knows nothing of the agent, part if it is a real registry, output, store, runner or collector, "+
				"world if it is there for tests); mayImport says what it may import then", path)
		}
	}
}

// breaches names every import that the roles forbid.
func breaches(packages map[string]listed) (wrong []string) {
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		p := packages[path]
		from, err := place(path)
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		for _, imported := range p.Imports {
			if breach := breach(path, from, imported, false); breach != "" {
				wrong = append(wrong, breach)
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if breach := breach(path, from, imported, true); breach != "" {
				wrong = append(wrong, breach)
			}
		}
	}
	return wrong
}

// breach says why the package at from may not import the package path, or returns "". Tests
// may import whatever they need, but a part's test may not import another part. Nothing may
// import commands, trials and examples.
func breach(path, from, imported string, test bool) string {
	if !strings.HasPrefix(imported, ".") {
		return ""
	}
	to, err := place(imported)
	if err != nil || to == from { // it is named itself, or is of the same place
		return ""
	}
	allowed := slices.Contains(mayImport[roles[from]], roles[to])
	if test {
		never := []role{commandRole, trialRole, exampleRole}
		allowed = !slices.Contains(never, roles[to]) && !(roles[from] == partRole && roles[to] == partRole)
	}
	if allowed {
		return ""
	}
	return fmt.Sprintf("%s (%s) imports %s (%s): a %[2]s may import only %v", path, roles[from], imported, roles[to], mayImport[roles[from]])
}

func TestEveryPackageImportsOnlyWhatItsRoleMay(t *testing.T) {
	require.Empty(t, strings.Join(breaches(listPackages(t)), "\n"))
}

func TestEveryRoleIsThatOfAPackage(t *testing.T) {
	packages := listPackages(t)
	for path := range roles {
		below := func(p string) bool { return p == path || strings.HasPrefix(p, path+"/") }
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(packages)), below), "roles has %s, which is not a package any more", path)
	}
}

func TestBreachesOfTheImportRulesAreNamed(t *testing.T) {
	for name, test := range map[string]struct {
		path string
		p    listed
		want string
	}{
		"no role":            {"./internal/new", listed{}, "package ./internal/new has no role: give it one"},
		"work of the root":   {"./internal/topic", listed{Imports: []string{"."}}, "./internal/topic (work) imports . (root)"},
		"part of a part":     {"./internal/spool", listed{Imports: []string{"./internal/nsqoutput"}}, "(part) imports ./internal/nsqoutput (part)"},
		"below a part":       {"./internal/spool/deep", listed{Imports: []string{"./internal/nsqoutput"}}, "(part) imports ./internal/nsqoutput (part)"},
		"root of a part":     {".", listed{Imports: []string{"./internal/spool"}}, ". (root) imports ./internal/spool (part)"},
		"root of the door":   {".", listed{Imports: []string{"./stock"}}, ". (root) imports ./stock (door)"},
		"past the door":      {"./cmd/agent", listed{Imports: []string{"./internal/spool"}}, "(command) imports ./internal/spool (part)"},
		"world in the agent": {"./stock", listed{Imports: []string{"./internal/nsqdtest"}}, "(door) imports ./internal/nsqdtest (world)"},
		"part's test":        {"./internal/spool", listed{TestImports: []string{"./internal/nsqoutput"}}, "(part) imports ./internal/nsqoutput (part)"},
		"test of a command":  {"./stock", listed{XTestImports: []string{"./cmd/agent"}}, "(door) imports ./cmd/agent (command)"},
		"good":               {"./internal/spool", listed{Imports: []string{".", "fmt", "./internal/filelock"}, XTestImports: []string{"./internal/delivery", "./agenttest"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := breaches(map[string]listed{test.path: test.p})
			if test.want == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Contains(t, got[0], test.want)
		})
	}
}

// TestWhatTheAgentLinks looks at all that is linked, of other modules too.
func TestWhatTheAgentLinks(t *testing.T) {
	for path, p := range listPackages(t) {
		at, err := place(path)
		require.NoError(t, err)
		if !slices.Contains([]role{fakesRole, worldRole, trialRole}, roles[at]) {
			require.NotContains(t, p.Deps, "testing", "%s links testing", path)
		}
		if roles[at] != rootRole {
			continue
		}
		for _, dep := range p.Deps {
			require.NotContains(t, []string{"os/exec", "database/sql"}, dep)
			require.NotRegexp(t, `^(github\.com/nsqio|go\.etcd\.io)/`, dep)
		}
	}
}
