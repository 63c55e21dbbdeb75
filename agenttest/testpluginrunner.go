package agenttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// PluginRunnerSubject is a plugin runner to be tested, with its source of
// plugins.
type PluginRunnerSubject struct {
	Runner agent.PluginRunner
	// Publish makes program the newest release of the repository ORG/PROJECT;
	// see [Program.Script].
	Publish func(tb testing.TB, repo string, program Program)
	// Unpublish makes the repository unreachable. It may be called for one that
	// was not published.
	Unpublish func(tb testing.TB, repo string)
	// PublishVersion makes program the newest release, and the one that has the
	// name of the version, which may have been another one's until then. Nil:
	// versions are not tested, nor is [agent.PluginRollbacker].
	PublishVersion func(tb testing.TB, repo, version string, program Program)
}

// TestPluginRunner checks the promises in the comments of [agent.PluginRunner].
// open makes a new subject for each subtest, and closes it in a t.Cleanup. No
// other tests may run in parallel, because the suite reports goroutines that
// are left.
func TestPluginRunner(t *testing.T, open func(t *testing.T) PluginRunnerSubject) {
	for name, test := range map[string]func(*testing.T, PluginRunnerSubject){
		"RunReturnsWhatThePluginPrints":        testRun,
		"RunTellsHowThePluginFailed":           testRunFails,
		"RunEndsThePluginWhenItsContextEnds":   testRunEnds,
		"RunNeedsAnInstalledPlugin":            testRunNotInstalled,
		"InstallDoesNothingWherePresent":       testInstallTwice,
		"InstallThatFailsLeavesNothingToRun":   testInstallFails,
		"InstallReturnsSoonAfterItsContextEnd": testInstallReturnsSoon,
		"UpdateFetchesTheNewestRelease":        testUpdate,
		"UpdateThatFailsLeavesTheOldRelease":   testUpdateFails,
		"UpdateDoesNotDisturbARun":             testUpdateDuringRun,
		"PluginsOfOneProjectAndTwoNamespaces":  testTwoNamespaces,
		"ManyPluginsRunConcurrently":           testRunConcurrently,
		"VersionIsInstalledExactly":            testVersion,
		"TagThatMovesChangesNothingUntilAsked": testMovedTag,
		"RollbackIsHeldUntilTheNextVersion":    testRollback,
		"DaemonPrintsWhileItRuns":              testDaemon,
		"DaemonTellsHowItEnded":                testDaemonEnds,
	} {
		subtest(t, name, func(t *testing.T) { test(t, open(t)) })
	}
}

// samplePlugin returns a plugin of the project.
func samplePlugin(project string) agent.Plugin {
	return agent.Plugin{Namespace: "web", Name: "PLUGIN." + project, Repo: "org/" + project, Interval: time.Minute}
}

// install publishes and installs a plugin that behaves as program.
func (s PluginRunnerSubject) install(t *testing.T, project string, program Program) agent.Plugin {
	t.Helper()
	p := samplePlugin(project)
	s.Publish(t, p.Repo, program)
	require.NoError(t, s.Runner.Install(bounded(t), p))
	return p
}

// requirePrints runs the plugin and compares its output.
func (s PluginRunnerSubject) requirePrints(t *testing.T, p agent.Plugin, want string) {
	t.Helper()
	stdout, err := s.Runner.Run(bounded(t), p, nil)
	require.NoError(t, err)
	require.Equal(t, want, string(stdout))
}

func testRun(t *testing.T, s PluginRunnerSubject) {
	p := s.install(t, "printer", Program{Print: `[{"name":"a b","value":1}]` + "\n", PrintArgs: true})
	stdout, err := s.Runner.Run(bounded(t), p, []string{"-x", "$HOME", "*"})
	require.NoError(t, err)
	require.Equal(t, "[{\"name\":\"a b\",\"value\":1}]\n-x\n$HOME\n*\n", string(stdout), "no shell reads the arguments")
	s.requirePrints(t, p, `[{"name":"a b","value":1}]`+"\n")
}

// daemons returns the runner if it runs daemons.
func (s PluginRunnerSubject) daemons(t *testing.T) agent.PluginDaemonRunner {
	daemons, ok := s.Runner.(agent.PluginDaemonRunner)
	if !ok {
		t.Skip("the runner cannot run daemons")
	}
	return daemons
}

func testDaemon(t *testing.T, s PluginRunnerSubject) {
	daemons := s.daemons(t)
	p := s.install(t, "daemon", Program{Print: "a value=1\nb value=2\n", Hang: true})
	ctx, cancel := context.WithCancel(bounded(t))
	var got strings.Builder
	err := daemons.RunDaemon(ctx, p, nil, func(lines []byte) error {
		require.True(t, bytes.HasSuffix(lines, []byte("\n")), "whole lines: %q", lines)
		if got.Write(lines); got.Len() == 20 {
			cancel()
		}
		return nil
	})
	require.Error(t, err)
	require.Equal(t, "a value=1\nb value=2\n", got.String())
	require.ErrorIs(t, ctx.Err(), context.Canceled, "it printed before it was ended")

	enough := errors.New("enough")
	require.ErrorIs(t, daemons.RunDaemon(bounded(t), p, nil, func([]byte) error { return enough }), enough)
}

func testDaemonEnds(t *testing.T, s PluginRunnerSubject) {
	daemons := s.daemons(t)
	ignore := func([]byte) error { return nil }
	p := s.install(t, "ends", Program{Print: "last line without end"})
	var got strings.Builder
	require.NoError(t, daemons.RunDaemon(bounded(t), p, nil, func(lines []byte) error { got.Write(lines); return nil }))
	require.Equal(t, "last line without end", got.String())

	var failed *agent.RunError
	p = s.install(t, "fails", Program{ExitCode: 3})
	require.ErrorAs(t, daemons.RunDaemon(bounded(t), p, nil, ignore), &failed)
	require.Equal(t, 3, failed.ExitCode)
	require.Error(t, daemons.RunDaemon(bounded(t), samplePlugin("none"), nil, ignore))
}

func testRunFails(t *testing.T, s PluginRunnerSubject) {
	p := s.install(t, "failing", Program{Print: "why", ExitCode: 3})
	stdout, err := s.Runner.Run(bounded(t), p, nil)
	var failed *agent.RunError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, agent.RunExit, failed.Result)
	require.Equal(t, 3, failed.ExitCode)
	require.NotEmpty(t, failed.Error())
	require.Equal(t, "why", string(stdout), "the output is returned even with an error")
}

func testRunEnds(t *testing.T, s PluginRunnerSubject) {
	p := s.install(t, "hanging", Program{Print: "begun", Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	stdout, err := s.Runner.Run(ctx, p, nil)
	require.Less(t, time.Since(began), time.Second+soon)
	var failed *agent.RunError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, agent.RunTimeout, failed.Result)
	require.Equal(t, "begun", string(stdout))
	returnsSoon(t, "Run", func(ctx context.Context) {
		_, err := s.Runner.Run(ctx, p, nil)
		require.Error(t, err)
	})
}

func testRunNotInstalled(t *testing.T, s PluginRunnerSubject) {
	p := samplePlugin("absent")
	s.Publish(t, p.Repo, Program{})
	s.requireNothingToRun(t, p)
}

func (s PluginRunnerSubject) requireNothingToRun(t *testing.T, p agent.Plugin) {
	t.Helper()
	_, err := s.Runner.Run(bounded(t), p, nil)
	var failed *agent.RunError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, agent.RunStart, failed.Result)
}

func testInstallTwice(t *testing.T, s PluginRunnerSubject) {
	p := s.install(t, "twice", Program{Print: "old"})
	s.Publish(t, p.Repo, Program{Print: "new"})
	require.NoError(t, s.Runner.Install(bounded(t), p))
	s.requirePrints(t, p, "old")
	s.Unpublish(t, p.Repo)
	require.NoError(t, s.Runner.Install(bounded(t), p), "an installed plugin is not fetched again")
}

func testInstallFails(t *testing.T, s PluginRunnerSubject) {
	p := samplePlugin("missing")
	s.Unpublish(t, p.Repo)
	require.Error(t, s.Runner.Install(bounded(t), p))
	s.requireNothingToRun(t, p)

	s.Publish(t, p.Repo, Program{Print: "here now"})
	require.NoError(t, s.Runner.Install(bounded(t), p))
	s.requirePrints(t, p, "here now")
}

func testInstallReturnsSoon(t *testing.T, s PluginRunnerSubject) {
	p := samplePlugin("interrupted")
	s.Publish(t, p.Repo, Program{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	require.Error(t, s.Runner.Install(ctx, p))
	require.Less(t, time.Since(began), soon)
	s.requireNothingToRun(t, p)
}

func testUpdate(t *testing.T, s PluginRunnerSubject) {
	p := s.install(t, "updated", Program{Print: "old"})
	require.NoError(t, s.Runner.Update(bounded(t), p), "there is nothing newer")
	s.requirePrints(t, p, "old")
	s.Publish(t, p.Repo, Program{Print: "new"})
	require.NoError(t, s.Runner.Update(bounded(t), p))
	s.requirePrints(t, p, "new")
}

func testUpdateFails(t *testing.T, s PluginRunnerSubject) {
	p := s.install(t, "stuck", Program{Print: "old"})
	s.Unpublish(t, p.Repo)
	require.Error(t, s.Runner.Update(bounded(t), p))
	s.requirePrints(t, p, "old")
}

func testUpdateDuringRun(t *testing.T, s PluginRunnerSubject) {
	p := s.install(t, "busy", Program{Print: "old", Takes: time.Second})
	ctx := bounded(t)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		stdout, err := s.Runner.Run(ctx, p, nil)
		assert.NoError(t, err)
		assert.Equal(t, "old", string(stdout))
	})
	time.Sleep(limit) // the run should be in progress by then; if not, less is tested
	s.Publish(t, p.Repo, Program{Print: "new"})
	require.NoError(t, s.Runner.Update(ctx, p))
	running.Wait()
	s.requirePrints(t, p, "new")
}

// at returns the plugin in a version, of which there are v1 to vN, each printing
// its name.
func (s PluginRunnerSubject) at(t *testing.T, project string, n int) func(version string) agent.Plugin {
	t.Helper()
	if s.PublishVersion == nil {
		t.Skip("there are no versions")
	}
	p := samplePlugin(project)
	for i := range n {
		version := fmt.Sprintf("v%d", i+1)
		s.PublishVersion(t, p.Repo, version, Program{Print: version})
	}
	return func(version string) agent.Plugin {
		p.Version = version
		return p
	}
}

func testVersion(t *testing.T, s PluginRunnerSubject) {
	at := s.at(t, "versions", 2)
	require.Error(t, s.Runner.Install(bounded(t), at("v9")))
	s.requireNothingToRun(t, at("v9"))
	for _, version := range []string{"v1", "v2", "v1"} {
		require.NoError(t, s.Runner.Install(bounded(t), at(version)))
		s.requirePrints(t, at(version), version)
	}
	require.Error(t, s.Runner.Install(bounded(t), at("v9")))
	require.Error(t, s.Runner.Update(bounded(t), at("v9")))
	s.requirePrints(t, at("v9"), "v1")
	require.NoError(t, s.Runner.Update(bounded(t), at("v1")), "it is there")
	require.NoError(t, s.Runner.Install(bounded(t), at("")))
	s.requirePrints(t, at(""), "v2")
}

func testMovedTag(t *testing.T, s PluginRunnerSubject) {
	at := s.at(t, "moving", 1)
	require.NoError(t, s.Runner.Install(bounded(t), at("v1")))
	s.PublishVersion(t, at("").Repo, "v1", Program{Print: "moved"})
	require.NoError(t, s.Runner.Install(bounded(t), at("v1")))
	s.requirePrints(t, at("v1"), "v1")
	require.NoError(t, s.Runner.Update(bounded(t), at("v1")))
	s.requirePrints(t, at("v1"), "moved")
}

func testRollback(t *testing.T, s PluginRunnerSubject) {
	roller, ok := s.Runner.(agent.PluginRollbacker)
	if !ok {
		t.Skip("the runner keeps no earlier versions")
	}
	at := s.at(t, "rolling", 2)
	require.ErrorIs(t, roller.Rollback(bounded(t), at("v1")), agent.ErrNoEarlierVersion)
	require.NoError(t, s.Runner.Install(bounded(t), at("v1")))
	require.ErrorIs(t, roller.Rollback(bounded(t), at("v1")), agent.ErrNoEarlierVersion)
	require.NoError(t, s.Runner.Install(bounded(t), at("v2")))

	require.NoError(t, roller.Rollback(bounded(t), at("v2")))
	s.requirePrints(t, at("v2"), "v1")
	require.NoError(t, s.Runner.Install(bounded(t), at("v2")), "held")
	s.requirePrints(t, at("v2"), "v1")
	require.NoError(t, s.Runner.Update(bounded(t), at("v2")))
	s.requirePrints(t, at("v2"), "v2")

	require.NoError(t, roller.Rollback(bounded(t), at("v2")))
	require.NoError(t, s.Runner.Install(bounded(t), at("")))
	s.requirePrints(t, at(""), "v2")
}

func testTwoNamespaces(t *testing.T, s PluginRunnerSubject) {
	first := s.install(t, "shared", Program{Print: "old"})
	s.Publish(t, first.Repo, Program{Print: "new"})
	second := first
	second.Namespace = "database"
	require.NoError(t, s.Runner.Install(bounded(t), second))
	s.requirePrints(t, first, "old")
	s.requirePrints(t, second, "new")
}

func testRunConcurrently(t *testing.T, s PluginRunnerSubject) {
	const plugins = 8
	ctx := bounded(t)
	var running sync.WaitGroup
	defer running.Wait()
	for i := range plugins {
		p := s.install(t, fmt.Sprintf("plugin%d", i), Program{Print: fmt.Sprint(i)})
		running.Go(func() {
			for range 3 {
				stdout, err := s.Runner.Run(ctx, p, nil)
				assert.NoError(t, err)
				assert.Equal(t, fmt.Sprint(i), string(stdout))
			}
		})
	}
}
