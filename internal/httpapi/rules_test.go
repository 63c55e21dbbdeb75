package httpapi_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// The alert rules of contrib.
const (
	rulesFile = "../../contrib/agent.rules.yml"
	rulesTest = "../../contrib/agent.rules_test.yml"
)

func TestAlertRulesAskForFiguresThatTheAgentHas(t *testing.T) {
	test := newAPITest(t, agent.WithCollector("QUEUE", time.Hour, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) { return nil, nil })))
	test.output.set(func(o *apiOutput) { o.details.Disk = &agent.DiskDetails{Limit: 1 << 20} })
	body := test.do(t, "GET", "/metrics", "").body
	rules, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	names := regexp.MustCompile(`\b(lodastack_agent|process)_\w+`).FindAllString(string(rules), -1)
	require.Greater(t, len(names), 10)
	for _, name := range names {
		require.Regexp(t, `(?m)^`+name+`[{ ]`, body)
	}
}

func TestEachAlertRuleHasATestInWhichItFires(t *testing.T) {
	rules, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	tests, err := os.ReadFile(rulesTest)
	require.NoError(t, err)
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(rules), -1)
	require.Len(t, alerts, 10)
	for _, alert := range alerts {
		require.Contains(t, string(tests), "alertname: "+alert[1]+" ")
		require.Contains(t, string(tests), `alertname="`+alert[1]+`"`)
	}
}

func TestAlertRulesPassPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not here; Debian's package prometheus has it")
	}
	for _, args := range []string{"check rules " + rulesFile, "test rules " + rulesTest} {
		output, err := exec.CommandContext(t.Context(), promtool, strings.Fields(args)...).CombinedOutput()
		require.NoError(t, err, "promtool %s: %s", args, output)
	}
}
