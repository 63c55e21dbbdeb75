package hostmetrics_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line writes a metric as the golden files have it.
func line(m agent.Metric) string {
	var b strings.Builder
	b.WriteString(m.Name)
	tags := make([]string, 0, len(m.Tags))
	for k, v := range m.Tags {
		tags = append(tags, fmt.Sprintf("%s=%q", k, v))
	}
	slices.Sort(tags)
	if len(tags) > 0 {
		fmt.Fprintf(&b, "{%s}", strings.Join(tags, ","))
	}
	fmt.Fprintf(&b, " %v", m.Value)
	if m.Timestamp != 0 {
		fmt.Fprintf(&b, " at %d", m.Timestamp)
	}
	return b.String()
}

func lines(metrics []agent.Metric) []string {
	var l []string
	for _, m := range metrics {
		l = append(l, line(m))
	}
	return l
}

func find(tb testing.TB, kinds []hostmetrics.Kind, kind string) hostmetrics.Kind {
	i := slices.IndexFunc(kinds, func(k hostmetrics.Kind) bool { return k.Name == kind })
	require.GreaterOrEqual(tb, i, 0, "there is no kind %s", kind)
	return kinds[i]
}

func collector(t *testing.T, kinds []hostmetrics.Kind, kind string) agent.Collector {
	return find(t, kinds, kind).Collector
}

func assigned(tb testing.TB, kinds []hostmetrics.Kind, kind string) agent.AssignmentCollector {
	return find(tb, kinds, kind).Assigned
}

func write(t *testing.T, path, content string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}
