package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/registrytest"
)

// TestANamespaceThatMakesNoTopicIsWrongInTheStatus has a registry with a
// namespace whose name is too long for a topic, beside a good one.
func TestANamespaceThatMakesNoTopicIsWrongInTheStatus(t *testing.T) {
	registry, err := registrytest.NewServer()
	require.NoError(t, err)
	t.Cleanup(registry.Close)
	long := strings.Repeat("n", 60)
	registry.SetNamespace(long, "1")
	registry.SetNamespace("web", "2")

	h := newHost(t)
	config, err := os.ReadFile(h.config)
	require.NoError(t, err)
	h.write(t, "agent.conf", strings.Replace(string(config), "file://"+h.dir+"/registry.toml", registry.URL(), 1))
	h.start(t)
	h.nsqd.Lines(t, "collect.web", 1)
	var r result
	require.Eventually(t, func() bool {
		r = execute(t, "status", "-f", h.config, "--check")
		return strings.Contains(r.stdout, "drops points")
	}, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, 1, r.code)
	require.Regexp(t, "(?m)^namespace "+long+` drops points \(bad_topic\): \d+ in the last \w+, the last one \w+ ago: `+
		`namespace "`+long+`" has 60 characters; NSQ takes at most 56 here; no NSQ topic can have its name: give the namespace another name`, r.stdout)

	var status agent.Status
	require.NoError(t, json.Unmarshal([]byte(execute(t, "status", "-f", h.config, "--json").stdout), &status))
	require.Len(t, status.Output.Dropping, 1)
	require.Equal(t, "bad_topic", status.Output.Dropping[0].Reason)
}
