package gitrunner

import (
	"cmp"
	"fmt"
	"os"
	"strconv"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginargs"
	"github.com/lodastack/agent/internal/policy"
	"github.com/lodastack/agent/internal/sandbox"
)

// checkRun returns the manifest of the plugin in dir, or why the plugin cannot be run with
// these arguments on this host.
func (r *Runner) checkRun(dir string, t terms, args []string) (manifest.Manifest, error) {
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
	if t.rule.NoNetwork {
		if err := r.noNetwork(); err != nil {
			return manifest.Manifest{}, refusedBy(policy.KeyNetwork, fmt.Errorf("this host cannot run it without a network: %w; run the agent as root, or remove the key", err))
		}
	}
	return about, nil
}

// command returns the command of a run without its arguments, and the plugin's own
// directories, which the run may fill up to [Runner.stateLimit].
func (r *Runner) command(dir string, p agent.Plugin, t terms, about manifest.Manifest) (c sandbox.Command, kept []string, err error) {
	state, err := r.stateDir(p, t.owner)
	if err != nil {
		return c, nil, startError(err)
	}
	view, err := r.view(t.owner, dir, state)
	if err != nil {
		return c, nil, startError(fmt.Errorf("the plugin's directory in place of /tmp: %w", err))
	}
	if err := r.stateFits(view.kept, r.stateLimit(t.rule)); err != nil {
		return c, nil, refusedBy(policy.KeyState, err)
	}
	return sandbox.Command{
		Path:      "./plugin",
		Dir:       dir,
		User:      t.owner.user,
		Limits:    r.limitsOf(t.rule, about),
		NoNetwork: t.rule.NoNetwork,
		Writable:  view.writable,
		Mounts:    view.mounts,
		Env:       append(r.env(p, state), t.secrets...),
		MaxStdout: maxStdout,
		MaxStderr: maxStderr,
	}, view.kept, nil
}

// limitsOf returns the limits that a rule sets for a plugin, or lower ones that its
// plugin.toml sets. A limit that neither sets is zero: then the default holds.
func (r *Runner) limitsOf(rule policy.Rule, about manifest.Manifest) sandbox.Limits {
	limits := sandbox.Limits{Processes: rule.Pids, Memory: rule.Memory, CPU: rule.CPU}
	if about.Pids > 0 {
		limits.Processes = min(about.Pids, cmp.Or(rule.Pids, r.config.MaxProcesses))
	}
	if about.Memory > 0 {
		limits.Memory = min(about.Memory, cmp.Or(rule.Memory, r.config.MaxMemory))
	}
	return limits
}

// env returns the environment of a plugin without its secrets.
func (r *Runner) env(p agent.Plugin, state string) []string {
	return []string{
		"PATH=" + pluginPath,
		"HOME=" + state,
		"AGENT_STATE_DIR=" + state,
		"LANG=C.UTF-8",
		"AGENT_NAMESPACE=" + p.Namespace,
		"AGENT_PLUGIN=" + p.Name,
		"AGENT_HOSTNAME=" + r.hostname(),
		"AGENT_INTERVAL=" + strconv.FormatFloat(p.Interval.Seconds(), 'f', -1, 64),
	}
}

// hostname returns the name that a run is told. The host may be renamed while the agent runs.
func (r *Runner) hostname() string {
	if r.config.Hostname != "" {
		return r.config.Hostname
	}
	name, _ := os.Hostname() // plugins are not told what is not known
	return influxdb.CleanTag(name)
}

// refusedBy is the error of a run that a key of the policy refuses.
func refusedBy(key string, reason error) error {
	err := fmt.Errorf("the plugin is not started: %s: %w", key, reason)
	return &agent.RunError{Result: agent.RunPolicy, ExitCode: -1, Err: &agent.PolicyError{Rule: key, Err: err}}
}
