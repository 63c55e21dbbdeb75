package gitrunner

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginargs"
	"github.com/lodastack/agent/internal/policy"
	"github.com/lodastack/agent/internal/sandbox"
)

// checkRun returns the manifest of the plugin in dir, or why the plugin cannot be run with
// these arguments on this host.
func (r *Runner) checkRun(dir string, p agent.Plugin, args []string) (manifest.Manifest, error) {
	if err := pluginargs.Check(args); err != nil {
		return manifest.Manifest{}, startError(err)
	}
	if err := checkExecutable(dir); err != nil {
		return manifest.Manifest{}, startError(fmt.Errorf("the plugin in %s cannot be started: %w", dir, err))
	}
	about, err := manifest.Read(dir)
	if err != nil {
		return manifest.Manifest{}, startError(err)
	}
	if r.config.Policy.Rule(p.Repo).NoNetwork {
		if err := r.noNetwork(); err != nil {
			return manifest.Manifest{}, refusedBy(policy.KeyNetwork, fmt.Errorf("this host cannot run it without a network: %w; run the agent as root, or remove the key", err))
		}
	}
	return about, nil
}

// command returns the command of a run without its arguments, and the plugin's own
// directories, which the run may fill up to [Runner.stateLimit].
func (r *Runner) command(dir string, p agent.Plugin, about manifest.Manifest) (c sandbox.Command, kept []string, err error) {
	state, err := r.stateDir(p)
	if err != nil {
		return c, nil, startError(err)
	}
	view, err := r.view(p, dir, state)
	if err != nil {
		return c, nil, startError(fmt.Errorf("the plugin's directory in place of /tmp: %w", err))
	}
	if err := r.stateFits(view.kept, r.stateLimit(p)); err != nil {
		return c, nil, refusedBy(policy.KeyState, err)
	}
	env, err := r.env(p, state)
	if err != nil {
		return c, nil, err
	}
	return sandbox.Command{
		Path:      "./plugin",
		Dir:       dir,
		User:      r.owner(p).user,
		Limits:    r.limitsOf(p, about),
		NoNetwork: r.config.Policy.Rule(p.Repo).NoNetwork,
		Writable:  view.writable,
		Mounts:    view.mounts,
		Env:       env,
		MaxStdout: maxStdout,
		MaxStderr: maxStderr,
	}, view.kept, nil
}

// limitsOf returns the limits that a rule sets for a plugin, or lower ones that its
// plugin.toml sets. A limit that neither sets is zero: then the default holds.
func (r *Runner) limitsOf(p agent.Plugin, about manifest.Manifest) sandbox.Limits {
	rule := r.config.Policy.Rule(p.Repo)
	limits := sandbox.Limits{Processes: rule.Pids, Memory: rule.Memory, CPU: rule.CPU}
	if about.Pids > 0 {
		limits.Processes = min(about.Pids, cmp.Or(rule.Pids, r.config.MaxProcesses))
	}
	if about.Memory > 0 {
		limits.Memory = min(about.Memory, cmp.Or(rule.Memory, r.config.MaxMemory))
	}
	return limits
}

// env returns the whole environment of a plugin.
func (r *Runner) env(p agent.Plugin, state string) ([]string, error) {
	env := []string{
		"PATH=" + pluginPath,
		"HOME=" + state,
		"AGENT_STATE_DIR=" + state,
		"LANG=C.UTF-8",
		"AGENT_NAMESPACE=" + p.Namespace,
		"AGENT_PLUGIN=" + p.Name,
		"AGENT_HOSTNAME=" + r.config.Hostname,
		"AGENT_INTERVAL=" + strconv.FormatFloat(p.Interval.Seconds(), 'f', -1, 64),
	}
	path := r.config.Policy.Rule(p.Repo).Env
	if path == "" {
		return env, nil
	}
	secret, err := readEnvFile(path) // at each run, so that a new password needs no restart
	if err != nil {
		return nil, refusedBy(policy.KeyEnv, err)
	}
	return append(env, secret...), nil
}

// refusedBy is the error of a run that a key of the policy refuses.
func refusedBy(key string, reason error) error {
	err := fmt.Errorf("the plugin is not started: %s: %w", key, reason)
	return &agent.RunError{Result: agent.RunPolicy, ExitCode: -1, Err: &agent.PolicyError{Rule: key, Err: err}}
}
