package gitrunner

import (
	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/manifest"
)

// InspectPlugin returns the installed version of a plugin, its format and mode, the
// limits and restrictions of its runs, and the figures of the last run.
func (r *Runner) InspectPlugin(p agent.Plugin) agent.PluginDetails {
	if checkPlugin(p) != nil {
		return agent.PluginDetails{}
	}
	s := r.slot(p)
	var installed *release
	if address, err := r.template.address(p.Repo); err == nil {
		installed = s.installedFrom(address)
	}
	t := r.terms(p)
	about, _ := manifest.Read(s.dir) // a version whose file is bad is not installed
	limits := agent.PluginLimits(r.pluginSandbox.Enforced(r.limitsOf(t.rule, about)))
	details := agent.PluginDetails{
		Format: string(about.Format), Mode: about.Mode,
		Cell: r.pluginSandbox.Kind(), User: t.owner.name, Limits: &limits, StateLimit: r.stateLimit(t.rule),
		NoNetwork: t.rule.NoNetwork,
	}
	details.Confined, details.Unconfined = r.confinement(t.owner)
	if installed != nil {
		details.Commit, details.Version = installed.Commit, installed.Version
		details.Since, details.By = installed.Since, installed.By
		if installed.Signed != nil {
			details.Signer = installed.Signed.Signer
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	details.CPU, details.PeakMemory, details.Stderr = s.last.CPU.Seconds(), s.last.PeakMemory, string(s.last.Stderr)
	return details
}
