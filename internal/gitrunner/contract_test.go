//go:build linux

package gitrunner_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/gittest"
)

func TestRunnerKeepsTheContractOfPluginRunners(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	agenttest.TestPluginRunner(t, func(t *testing.T) agenttest.PluginRunnerSubject {
		root := gittest.NewRoot(t)
		repos := make(map[string]*gittest.Repo)
		publish := func(_ testing.TB, repo string, program agenttest.Program) {
			if repos[repo] == nil {
				repos[repo] = root.Plugin(repo, program.Script())
				return
			}
			repos[repo].Release(program.Script())
		}
		return agenttest.PluginRunnerSubject{
			Runner:  newRunner(t, root.Template()),
			Publish: publish,
			PublishVersion: func(tb testing.TB, repo, version string, program agenttest.Program) {
				publish(tb, repo, program)
				repos[repo].Git("tag", "--force", version)
			},
			Unpublish: func(tb testing.TB, repo string) {
				if repos[repo] != nil {
					require.NoError(tb, os.RemoveAll(repos[repo].Dir))
					delete(repos, repo)
				}
			},
		}
	})
}
