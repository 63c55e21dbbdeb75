package main

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// now is when the status of the tests was taken.
func now() time.Time { return time.Date(2026, 7, 23, 12, 0, 0, 0, time.UTC) }

func healthy() agent.Status {
	now := now()
	return agent.Status{
		Build:      agent.Build{Version: "v1.2.3", Commit: "0123456789abcdef0123"},
		Hostname:   "web1",
		Started:    now.Add(-50 * time.Hour),
		Uptime:     (50 * time.Hour).Seconds(),
		Namespaces: []string{"all.example", "web.shop"},
		Registry:   agent.RegistryStatus{Answered: now.Add(-5 * time.Minute), InForce: true},
		Output:     agent.OutputStatus{Total: agent.Account{Accepted: 1234, Delivered: 1234}},
		Collectors: []agent.CollectorStatus{
			{Kind: "CPU", Interval: 10, LastRun: now.Add(-4 * time.Second), Duration: 251e-6, Points: 18, Runs: 7},
			{Kind: "PORT", Interval: 60},
		},
		Plugins: []agent.PluginStatus{{
			Namespace: "web.shop", Repo: "ops/mysql", Name: "PLUGIN.mysql", Enabled: true, Interval: 60, Installed: true,
			LastRun:       &agent.PluginResult{Time: now.Add(-30 * time.Second), Duration: 0.123, Result: agent.RunOK},
			PluginDetails: agent.PluginDetails{Commit: "fedcba9876543210", Since: now.Add(-26 * time.Hour), By: "registry", CPU: 0.045, PeakMemory: 5 << 20},
		}},
	}
}

func TestAHealthyAgentHasNothingWrong(t *testing.T) {
	golden(t, "testdata/healthy.txt", statusText(healthy()))
}

func TestWarningsStandApartFromWhatIsWrong(t *testing.T) {
	s := healthy()
	s.Warnings = []string{"line 3: agent.registryaddr: http is not encrypted"}
	require.Contains(t, string(statusText(s)), "Nothing is wrong.\n\nWARNINGS\n  line 3: agent.registryaddr: http is not encrypted\n")
}

func TestWhatIsWrongComesFirst(t *testing.T) {
	s := healthy()
	s.Registry.Error = "ask the registry for assignments: no route to host\nreport to the registry: no route to host"
	s.Registry.Problems = []string{"namespace web.shop: PORT \"x\": no port\x1b[2J"}
	s.Output.Error = "write 5 points: nsqd is down"
	s.Output.Total = agent.Account{Accepted: 100, Delivered: 60, Waiting: 30, Dropped: map[string]int64{"spool_full": 3, "bad_topic": 7}}
	s.Output.Dropping = []agent.Dropping{
		{
			Namespace: "all.example", Reason: "bad_topic", Points: 7, Since: now().Add(-3 * time.Minute), Last: now().Add(-9 * time.Second),
			Error:  "namespace \"all.example\" has 11 characters; NSQ takes at most 8 here",
			Advice: "no NSQ topic can have its name: give the namespace another name in the registry, or shorten output.topicprefix",
		},
		{
			Namespace: "web.shop", Reason: "spool_full", Points: 3, Since: now().Add(-time.Minute), Last: now().Add(-time.Minute),
			Advice: "bring the output back, or raise output.spoolsize",
		},
	}
	s.Accounts = map[string]agent.Account{"web.shop": s.Output.Total, "all.example": {Accepted: 5, Delivered: 5}}
	s.Collectors[0].Error = "read /proc/stat: permission denied"
	s.Collectors[0].Running, s.Collectors[0].LastRun = true, now().Add(-2*time.Minute)
	s.Plugins[0].LastRun.Result, s.Plugins[0].LastRun.Error = agent.RunTimeout, "timed out after 10s"
	s.Plugins = append(s.Plugins, agent.PluginStatus{
		Namespace: "web.shop", Repo: "ops/backup", InstallError: "git: repository not found", Running: true,
	})
	golden(t, "testdata/wrong.txt", statusText(s))
}

func TestAnAnswerThatIsNotBelievedIsNoMissingOne(t *testing.T) {
	s := healthy()
	for want, registry := range map[string]agent.RegistryStatus{
		"registry    answered 5m ago\n": s.Registry,
		"registry    answered 5m ago\n            commit 0123456789ab of 2m ago, signed by anna\n": {InForce: true, Answered: now().Add(-5 * time.Minute),
			RegistryDetails: agent.RegistryDetails{Commit: "0123456789abcdef", Date: now().Add(-2 * time.Minute), Signer: "anna"}},
		"registry    has not answered yet\n":                                                           {},
		"registry    has not answered since the start; its earlier answer is in force\n":               {InForce: true},
		"registry    gave an answer 5m ago that is not believed yet; its earlier answer is in force\n": {InForce: true, Doubted: now().Add(-5 * time.Minute)},
	} {
		s.Registry = registry
		require.Contains(t, string(statusText(s)), want)
	}
}

func TestWhatWasLostOnceIsNotWrongForEver(t *testing.T) {
	s := healthy()
	s.Output.Total = agent.Account{Accepted: 100, Delivered: 90, Dropped: map[string]int64{"spool_full": 3, "bad_topic": 7, "killed": 0}}
	text := string(statusText(s))
	require.Contains(t, text, "Nothing is wrong.")
	require.Contains(t, text, "\n  lost since the accounts began: 7 bad_topic, 3 spool_full\n")
	require.NotContains(t, string(statusText(healthy())), "lost")
}

func TestAnAgentThatKnowsNoNamespaceSaysSo(t *testing.T) {
	s := healthy()
	s.Namespaces, s.Registry = nil, agent.RegistryStatus{}
	require.Contains(t, string(statusText(s)), "WRONG\n  registry: nothing is collected yet, because no namespaces are known\n")
	s.Registry.InForce = true
	require.Contains(t, string(statusText(s)), "this host (web1) is in no namespace")
}

func TestAnErrorThatIsAProblemTooIsSaidOnce(t *testing.T) {
	s := healthy()
	s.Registry.Error = "ask the registry for assignments: it would take away most"
	s.Registry.Problems = []string{"it would take away most"}
	require.Equal(t, 1, strings.Count(string(statusText(s)), "take away most"))
}

func TestNamesFromElsewhereDoNotSpeakToTheTerminal(t *testing.T) {
	s := healthy()
	s.Namespaces = []string{"a\x1b]0;title\x07", "b\nc"}
	s.Accounts = map[string]agent.Account{"b\nc\x1b": {Waiting: 1}}
	for _, c := range string(statusText(s)) {
		require.True(t, c == '\n' || c >= ' ', "%q", c)
	}
	require.Contains(t, string(statusText(s)), "b c")
}
