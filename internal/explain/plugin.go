package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/terminal"
)

// Names of what plugins measure, and of what the agent says of their runs.
const (
	pluginPrefix = "PLUGIN."
	resultPrefix = "plugin."
)

// plugins explains assigned plugins.
func (x *explanation) plugins() bool {
	return x.eachPlugin(Program, func(p Plugin) bool {
		return x.Name == p.Name || x.Name == p.Repo || x.Name == p.Namespace+"/"+p.Repo
	}, func(p Plugin) bool { return x.pluginRan(p) })
}

// pluginMeasurement explains what assigned plugins measure, and what the agent says of their
// runs.
func (x *explanation) pluginMeasurement() bool {
	return x.eachPlugin(Metric, func(p Plugin) bool { return below(x.Name, p.Name) }, func(p Plugin) bool {
		return x.pluginRan(p) && x.printed(p)
	}) || x.eachPlugin(Metric, func(p Plugin) bool { return x.Name == resultPrefix+strings.TrimPrefix(p.Name, pluginPrefix) }, func(p Plugin) bool {
		x.say("It says how each run went: 0 is well")
		if last := x.newest(p.Namespace); last != nil {
			x.made(last)
			return true
		}
		return x.pluginRan(p)
	})
}

// eachPlugin explains the plugins that match, and where their points are unless arrives
// returns false. It returns false if none matches.
func (x *explanation) eachPlugin(what string, matches, arrives func(Plugin) bool) bool {
	for _, p := range x.known.Plugins {
		if !matches(p) {
			continue
		}
		x.What = what
		x.Facts.Plugins = append(x.Facts.Plugins, p)
		x.say("The namespace %s wants the plugin %s, from %s", p.Namespace, p.Name, p.Repo)
		if arrives(p) {
			x.delivery([]string{p.Namespace})
		}
	}
	return x.What != ""
}

// pluginRan explains how often the plugin runs, and how its last run went. It returns false if
// there is a reason why it measures nothing.
func (x *explanation) pluginRan(p Plugin) bool {
	if reason := x.doesNotRun(p); reason != "" {
		x.because("%s", reason)
		return false
	}
	switch {
	case p.Daemon:
		x.say("It is a daemon, which the agent keeps running")
	default:
		x.say("It runs every %s", every(p.Interval))
	}
	x.say("%s", installed(p))
	if p.InstallError != "" {
		x.say("The last attempt to install another version failed: %s", brief(p.InstallError))
	}
	run := p.LastRun
	switch {
	case p.Daemon && p.Running:
		x.say("It is running now")
	case run == nil && p.Running:
		x.because("Its first run is still under way")
		return false
	case run == nil:
		x.because("It has not run yet")
		return false
	case run.Result != ResultOK:
		x.because("Its last run, %s, failed (%s): %s%s", x.ago(run.Time), run.Result, brief(run.Error), lastWords(run.Stderr))
		return false
	default:
		x.say("Its last run was %s, took %s and went well", x.ago(run.Time), terminal.Seconds(run.Duration).Round(time.Millisecond))
	}
	if p.Invalid != "" && x.What == Program {
		x.because("A metric of its last output cannot be sent: %s", brief(p.Invalid))
	}
	return true
}

// doesNotRun returns why the plugin is not run. Empty: it is.
func (x *explanation) doesNotRun(p Plugin) string {
	switch {
	case p.LastRun != nil && p.LastRun.Result == ResultPolicy:
		return "The host's own config does not let it run: " + brief(p.LastRun.Error)
	case !p.Installed && p.InstallError != "":
		return "It is not installed: " + brief(p.InstallError)
	case !p.Installed:
		return "It is still being installed"
	case !p.Enabled:
		return fmt.Sprintf("It is disabled until %s, unless `agent plugin enable %s %s` ends that", p.DisabledUntil.UTC().Format("2006-01-02 15:04 UTC"), p.Namespace, p.Repo)
	case p.Interval == 0 && !p.Daemon:
		return fmt.Sprintf("It runs only when somebody calls it (agent plugin run %s %s), and then its output goes to the caller", p.Namespace, p.Repo)
	}
	return ""
}

// installed says which version is installed.
func installed(p Plugin) string {
	switch {
	case p.Commit == "":
		return "It is installed"
	case p.Signer == "":
		return fmt.Sprintf("Its commit %.8s is installed", p.Commit)
	}
	return fmt.Sprintf("Its commit %.8s, signed by %s, is installed", p.Commit, p.Signer)
}

// lastWords returns the end of a plugin's standard error.
func lastWords(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return "; it said: " + brief(last)
	}
	return ""
}

// printed explains whether the plugin printed the measurement. It returns false if not.
func (x *explanation) printed(p Plugin) bool {
	last := x.newest(p.Namespace)
	switch {
	case !x.known.Remembers:
		x.say("Whether it printed this measurement is not known, because the agent remembers no points: api.page is false")
		return true
	case last != nil && (p.Interval == 0 || x.isFresh(last, p.Interval)):
		x.made(last)
		return true
	case p.Invalid != "":
		x.because("A metric of its last output cannot be sent: %s", brief(p.Invalid))
	case last != nil:
		x.because("Its last output did not have this measurement, or only with an old time: the newest point is from %s", x.ago(time.Unix(last.Time, 0)))
	default:
		x.because("It has not printed this measurement, as far as the agent remembers")
	}
	return false
}
