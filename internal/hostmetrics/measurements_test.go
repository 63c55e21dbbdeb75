//go:build linux

package hostmetrics_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

const preamble = `# Measurements of a host

Made from the table in internal/hostmetrics/measurements.go by
` + "`go test ./internal/hostmetrics -run TestTheDocument -update`" + `; a test
keeps it from going stale.

Every measurement is a float field ` + "`value`" + ` and has the tag ` + "`host`" + `. Rates are per
second over the time that truly passed between two readings. What a system
does not have is absent, never zero. PROC and PORT go to the namespace that
asked for them, all others to every namespace of the host. Systems other than
Linux have the kinds TIME, COREDUMP and PORT, and agent.alive.
`

func document() string {
	var b strings.Builder
	b.WriteString(preamble)
	table := hostmetrics.Measurements()
	for _, k := range hostmetrics.Kinds(hostmetrics.Config{}) {
		fmt.Fprintf(&b, "\n## %s\n\nEvery %v by default.\n\n", k.Name, k.Every)
		b.WriteString("| measurement | unit | tags | meaning | source |\n|---|---|---|---|---|\n")
		for _, m := range table {
			if m.Kind == k.Name {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Unit, strings.Join(m.Tags, ", "), m.Meaning, m.Source)
			}
		}
	}
	return b.String()
}

func TestTheDocumentSaysWhatTheTableSays(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "measurements.md")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(document()), 0o644))
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, document(), string(content))
}

// described is a measurement's name with its tags' names.
func described(name string, tags ...string) string {
	slices.Sort(tags)
	return name + " " + strings.Join(tags, ",")
}

func TestWhatIsMeasuredIsInTheTableAndTheOtherWayRound(t *testing.T) {
	var want []string
	for _, m := range hostmetrics.Measurements() {
		want = append(want, described(m.Name, slices.Clone(m.Tags)...))
	}
	measured := make(map[string]bool)
	for _, l := range append(goldenLines(t), measuredElsewhere(t)...) {
		head, _, _ := strings.Cut(strings.ReplaceAll(l, `\"`, ""), "} ")
		name, _, _ := strings.Cut(strings.Fields(l)[0], "{")
		var tags []string
		for _, tag := range regexp.MustCompile(`[{,]([a-z]+)="`).FindAllStringSubmatch(head, -1) {
			tags = append(tags, tag[1])
		}
		measured[described(name, tags...)] = true
	}
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(measured)))
}

func goldenLines(t *testing.T) (all []string) {
	files, err := filepath.Glob("testdata/hosts/*/golden")
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for l := range strings.Lines(string(content)) {
			if !strings.HasPrefix(l, "#") {
				all = append(all, strings.TrimSpace(l))
			}
		}
	}
	return all
}

// measuredElsewhere collects the kinds that the golden files do not have.
func measuredElsewhere(t *testing.T) []string {
	h := newLoginHost(t)
	appendRecords(t, h.log("wtmp"), ofUser("a", time.Now()))
	all := h.collect()
	write(t, filepath.Join(h.root, "home/coresave", fmt.Sprintf("core.a.1.%d", time.Now().Unix())), "")
	metrics, err := collector(t, h.kinds, "COREDUMP").Collect(t.Context())
	require.NoError(t, err)
	all = append(all, lines(metrics)...)
	names, _, err := collectTime(t.Context(), t, ntpServer(t, 0, 1))
	require.NoError(t, err)
	all = append(all, names...)

	w := newWorld(t, "processes")
	kinds := hostmetrics.Kinds(hostmetrics.Config{Root: w.Root})
	for kind, a := range map[string]agent.Assignment{
		"PROC": {Processes: []agent.Process{{Name: "NAME", Path: "/usr/sbin/nginx"}}},
		"PORT": {Ports: []agent.Port{{Name: "NAME", Port: listen(t)}}},
	} {
		batches, err := assigned(t, kinds, kind).CollectAssigned(t.Context(), []agent.Assignment{a})
		require.NoError(t, err)
		all = append(all, batchLines(batches)[""]...)
	}
	return all
}
