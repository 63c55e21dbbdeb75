package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/statefile"
)

// Plan is what an update from the registry would do on this host. See [NewPlan].
type Plan struct {
	// Host is the host name that the registry was asked for.
	Host string `json:"host"`
	// Changes are in order of namespace, kind of thing and name. Empty: an update
	// would change nothing.
	Changes []PlanChange `json:"changes"`
	// Unchanged is the number of things that stay as they are.
	Unchanged int `json:"unchanged"`
	// Refused are the plugins of the answer that the host's own config refuses, including
	// those that are assigned already.
	Refused []PlanRefusal `json:"refused"`
	// Doubt says why the agent would believe the answer only when the registry repeats it.
	// Empty: the agent would believe it.
	Doubt string `json:"doubt,omitempty"`
	// Problems has a sentence for each part of the answer that the agent would
	// ignore.
	Problems []string `json:"problems"`
	// Notes has a sentence for each reason why an update may do something different.
	Notes []string `json:"notes"`
	// Missing says which part of the answer could not be read, and why. Nothing would
	// change there. Empty: the registry has answered completely.
	Missing string `json:"missing,omitempty"`
}

// PlanRefusal is a plugin that the host's own config refuses.
type PlanRefusal struct {
	Namespace string `json:"ns"`
	Repo      string `json:"repo"`
	Version   string `json:"version,omitempty"`
	// Rule is the key of the config that refuses it, "policy.plugins" for example. Empty:
	// another reason refuses it.
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason"`
}

// NewPlan asks the registry of opts once, as [Agent.Update] would, and compares the answer
// with the state directory of an agent with opts. It
// changes nothing: it reads the state, makes no report to the registry and calls
// no other part. An agent may run meanwhile with the same state directory, but
// not with the same [Registry] value.
//
// refuses returns the error with which the plugin runner would refuse to fetch a
// plugin, which may be a [*PolicyError]. If refuses is nil, no plugin is refused.
//
// The error wraps [io/fs.ErrPermission] if this user may not read the state.
func NewPlan(ctx context.Context, refuses func(Plugin) error, opts ...Option) (Plan, error) {
	config := defaultConfig()
	wrong := config.apply(opts)
	if config.registry == nil {
		wrong = append(wrong, errNoRegistry)
	}
	if err := errors.Join(wrong...); err != nil {
		return Plan{}, err
	}
	remembered, notes, err := readRemembered(statefile.Dir(config.stateDir), config.machine())
	if err != nil {
		return Plan{}, fmt.Errorf("read what the agent remembers: %w", err)
	}
	registry := newRegistryPart(config.registry)
	host, hostNotes, err := config.plannedHost(remembered.accepted, len(registry.reporters) > 0)
	if err != nil {
		return Plan{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	answer, err := registry.ask(ctx, host)
	if isEmptyAnswer(answer.assignments, err) {
		return Plan{}, fmt.Errorf("ask the registry for assignments: %w", err)
	}
	plan := planAnswer(remembered.known, answer.assignments, err, registry, refuses)
	plan.Host, plan.Notes = host.Hostname, append(append(plan.Notes, notes...), hostNotes...)
	return plan, nil
}

// planAnswer returns how the answer of a registry, with its error, would change the known
// assignments.
func planAnswer(known, answer []Assignment, err error, registry registryPart, refuses func(Plugin) error) Plan {
	plan := Plan{Refused: []PlanRefusal{}, Notes: []string{}}
	c := consider(known, answer, err, registry)
	plan.Changes, plan.Unchanged = CompareAssignments(known, c.next)
	plugins, conflicts := distinctPlugins(c.next)
	plan.Problems = append([]string{}, slices.Concat(c.problems, itemProblems(c.next), conflicts)...)
	if c.shrunk != nil {
		plan.Doubt = c.shrunk.Error()
	}
	if err != nil {
		plan.Missing = err.Error()
	}
	for _, p := range plugins {
		if refuses == nil {
			break
		}
		if err := refuses(p); err != nil {
			refusal := PlanRefusal{Namespace: p.Namespace, Repo: p.Repo, Version: p.Version, Reason: err.Error()}
			var policy *PolicyError
			if errors.As(err, &policy) {
				refusal.Rule = policy.Rule
			}
			plan.Refused = append(plan.Refused, refusal)
		}
	}
	slices.SortStableFunc(plan.Refused, func(a, b PlanRefusal) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Repo, b.Repo))
	})
	return plan
}

// plannedHost returns the host that the registry is asked for.
func (c *fixed) plannedHost(accepted *Host, reports bool) (host Host, notes []string, err error) {
	host, err = c.readHost()
	if errors.Is(err, errNoAddresses) {
		notes, err = append(notes, err.Error()), nil
		host.keepAddresses(accepted)
	}
	if err != nil {
		return Host{}, nil, err
	}
	if reports && accepted != nil && accepted.Hostname != host.Hostname {
		notes = append(notes, fmt.Sprintf("the host is %s now and the registry knows it as %s: an update reports the new name first, "+
			"and the answer may be another one then", host.Hostname, accepted.Hostname))
	}
	return host, notes, nil
}
