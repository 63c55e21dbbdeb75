package agent

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/lodastack/agent/internal/plugins"
)

// newPlugins makes the set of the assigned plugins.
func (a *Agent) newPlugins() *plugins.Set {
	c := plugins.Config{
		Output: pluginSink{a},
		State:  a.state(),
		Logger: a.config.logger,
		Audit:  a.config.audit,
		Errors: pluginErrors(),
	}
	if a.runner != nil {
		c.Runner = a.runner
	}
	return plugins.New(c)
}

// pluginErrors are the agent's errors as internal/plugins makes and reads them.
func pluginErrors() plugins.Errors {
	return plugins.Errors{
		Running: ErrPluginRunning, RunAgain: ErrRunAgain, NoEarlier: ErrNoEarlierVersion,
		NotRunning: ErrNotRunning, Stopped: ErrStopped,
		Failed: newRunError, Outcome: outcome, Refused: isPolicy,
	}
}

// newRunError makes the error of a run that ended with result.
func newRunError(result string, err error) error {
	return &RunError{Result: RunResult(result), Err: err}
}

// outcome returns the result and the exit status that the error of a run names.
func outcome(err error) (result string, status int) {
	var failed *RunError
	if !errors.As(err, &failed) {
		return "", 0
	}
	return string(cmp.Or(failed.Result, RunStart)), failed.ExitCode
}

func isPolicy(err error) bool { return errors.As(err, new(*PolicyError)) }

// distinctPlugins returns the plugins of the assignments, the first of those that have one
// namespace and project, and a sentence for each of the others.
func distinctPlugins(assignments []Assignment) (distinct []Plugin, conflicts []string) {
	taken := make(map[plugins.Key]string) // the first one's name
	for _, assignment := range assignments {
		for _, p := range assignment.Plugins {
			p.Namespace = assignment.Namespace
			key := plugins.Plugin(p).Key()
			if first, isTaken := taken[key]; isTaken {
				conflicts = append(conflicts, fmt.Sprintf(
					"plugin %s: the project %s is assigned to namespace %s already, for %s: rename one of them",
					p.Name, key.Project, p.Namespace, first))
				continue
			}
			taken[key] = p.Name
			distinct = append(distinct, p)
		}
	}
	return distinct, conflicts
}

// assignPlugins makes the plugins of the assignments those that run.
func (a *Agent) assignPlugins(assignments []Assignment) {
	distinct, _ := distinctPlugins(assignments)
	assigned := make([]plugins.Plugin, len(distinct))
	for i, p := range distinct {
		assigned[i] = plugins.Plugin(p)
	}
	a.plugins.Assign(assigned)
}

// pluginProblems returns a sentence for each conflict, and one if plugins cannot run at all.
func (a *Agent) pluginProblems() []string {
	assigned, problems := distinctPlugins(a.assigned())
	if a.runner == nil && len(assigned) > 0 {
		problems = append(problems, fmt.Sprintf("%d plugins are assigned, but this agent has no plugin runner", len(assigned)))
	}
	return problems
}
