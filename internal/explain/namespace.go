package explain

import "strings"

// hasNamespaces gives the reason if there are none.
func (x *explanation) hasNamespaces() bool {
	switch {
	case !x.known.Registry.InForce && x.known.Registry.Error != "":
		x.because("Nothing is collected yet, because the registry has not given an answer since the start: %s", brief(x.known.Registry.Error))
	case !x.known.Registry.InForce:
		x.because("Nothing is collected yet, because the registry has not given an answer since the start")
	case len(x.known.Namespaces) == 0:
		x.because("Nothing is collected, because this host (%s) is in no namespace", x.known.Host)
	}
	return x.Reason == ""
}

// namespace explains one of the host's namespaces, or another one that has points.
func (x *explanation) namespace() bool {
	_, hasPoints := x.known.Accounts[x.Name]
	if !x.isHosts(x.Name) && !hasPoints {
		return false
	}
	x.What = Namespace
	if !x.isHosts(x.Name) {
		x.foreign(x.Name)
		x.delivery([]string{x.Name})
		return true
	}
	if from := x.known.Registries[x.Name]; from == "" {
		x.say("%s is a namespace of this host (%s)", x.Name, x.known.Host)
	} else {
		x.say("%s is a namespace of this host (%s), by %s", x.Name, x.known.Host, from)
	}
	x.registry()
	x.say("It gets the host's own measurements, %s, %s and %s", x.count("PORT", "port"), x.count("PROC", "process"), x.countPlugins())
	x.delivery([]string{x.Name})
	return true
}

// count returns how many items of the kind the namespace has.
func (x *explanation) count(kind, noun string) string {
	n := 0
	for _, item := range x.known.Items {
		if item.Namespace == x.Name && item.Kind == kind {
			x.Facts.Items = append(x.Facts.Items, item)
			n++
		}
	}
	return counted(n, noun)
}

func (x *explanation) countPlugins() string {
	for _, p := range x.known.Plugins {
		if p.Namespace == x.Name {
			x.Facts.Plugins = append(x.Facts.Plugins, p)
		}
	}
	return counted(len(x.Facts.Plugins), "plugin")
}

// foreign gives the reason for a namespace that is not the host's.
func (x *explanation) foreign(namespace string) {
	if !x.hasNamespaces() {
		return
	}
	x.because("%s is not a namespace of this host (%s), which is in %s", namespace, x.known.Host, list(x.known.Namespaces))
	x.registry()
}

// registry says what the assignments in force come from, if not from a good answer of the
// last question.
func (x *explanation) registry() {
	r := x.known.Registry
	switch {
	case !r.Doubted.IsZero():
		x.say("The registry gave another answer %s, which is not believed yet because it would remove most of what runs here; `agent plan` prints it", x.ago(r.Doubted))
	case r.Error != "" && len(x.known.Registries) > 0:
		x.say("The last question to one of the registries failed, so what it assigned before is in force: %s", brief(r.Error))
	case r.Error != "" && r.Answered.IsZero():
		x.say("The registry has not answered since the start, so an answer from an earlier run of the agent is in force: %s", brief(r.Error))
	case r.Error != "":
		x.say("The last question to the registry failed, so its answer from %s is in force: %s", x.ago(r.Answered), brief(r.Error))
	case r.Answered.IsZero():
		x.say("The registry has not answered since the start, so an answer from an earlier run of the agent is in force")
	}
}

// notAssigned explains names that only the registry can give a meaning.
func (x *explanation) notAssigned() bool {
	for _, a := range []struct{ prefix, what, noun string }{
		{pluginPrefix, Program, "plugin"}, {"PORT.", Metric, "port"}, {"PROC.", Metric, "process"},
	} {
		if strings.HasPrefix(x.Name, a.prefix) {
			x.What = a.what
			x.missing("No namespace of this host assigns a %s that is called %s", a.noun, x.Name)
			return true
		}
	}
	namespace, repo, _ := strings.Cut(x.Name, "/")
	if !strings.Contains(repo, "/") {
		return false
	}
	x.What = Program
	if !x.isHosts(namespace) {
		x.foreign(namespace)
		return true
	}
	x.missing("The namespace %s does not assign the plugin %s to this host", namespace, repo)
	return true
}

// missing gives the reason for what is not assigned, and what is assigned under like names.
func (x *explanation) missing(format string, args ...any) {
	if !x.hasNamespaces() {
		return
	}
	x.because(format, args...)
	if names := near(x.Name, x.known.names()); len(names) > 0 {
		x.say("Similar names: %s", strings.Join(names, ", "))
	}
	x.registry()
}
