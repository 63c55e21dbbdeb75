package gitrunner

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/policy"
)

// rules are the host's policy, and the users that it names. They never change:
// [Runner.PreparePolicy] replaces them as a whole.
type rules struct {
	policy.Policy
	owners map[string]owner // by name
}

// terms are how a plugin runs by the rules.
type terms struct {
	rules   *rules
	rule    policy.Rule
	owner   owner
	secrets []string // the variables of the rule's file
}

// terms returns the terms of a plugin by the rules in force, without its secrets.
func (r *Runner) terms(p agent.Plugin) terms {
	now := r.rules.Load()
	t := terms{rules: now, rule: now.Rule(p.Repo)}
	named := false
	if t.owner, named = now.owners[cmp.Or(t.rule.User, r.config.User)]; !named {
		t.owner = r.dynamic.owner(p.Namespace)
	}
	return t
}

// withSecrets adds the variables of the rule's file. It is called for each run, so that a
// new password needs no restart.
func (t terms) withSecrets() (_ terms, err error) {
	if t.rule.Env == "" {
		return t, nil
	}
	if t.secrets, err = readEnvFile(t.rule.Env); err != nil {
		return t, refusedBy(policy.KeyEnv, err)
	}
	return t, nil
}

// alike reports whether plugins run in the same way by both terms.
func (t terms) alike(other terms) bool {
	rule := other.rule
	rule.Match = t.rule.Match
	return t.rule == rule && t.owner.name == other.owner.name && slices.Equal(t.secrets, other.secrets)
}

// allowInstalled returns an error if the installed version of a plugin may not run.
func (r *Runner) allowInstalled(s *slot, p agent.Plugin, t terms) error {
	if rel := s.installed(); rel != nil {
		p.Version = rel.Version
	}
	if err := allow(t.rules.Policy, p); err != nil {
		return &agent.RunError{Result: agent.RunPolicy, Err: err}
	}
	if err := r.checkInstalled(s, t); err != nil {
		return &agent.RunError{Result: agent.RunPolicy, Err: err}
	}
	return nil
}

// PreparePolicy returns a function that puts another policy in force, or why that is not
// possible. The function ends those running plugins that are refused
// now, and daemons that have to run in another way now, with [agent.ErrRunAgain]. All others
// run on. It does not wait for those that it ends. Files that the policy names are read
// again, although their names may be the same.
func (r *Runner) PreparePolicy(p policy.Policy) (adopt func(), err error) {
	owners, err := lookupOwners(r.config.User, p, os.Geteuid())
	if err != nil {
		return nil, err
	}
	return func() {
		for name, o := range owners {
			if o.warning != "" && r.rules.Load().owners[name].warning != o.warning {
				r.config.Logger.Warn(o.warning)
			}
		}
		r.rules.Store(&rules{p, owners})
		for _, run := range r.underWay() {
			r.endIfRefused(run)
		}
	}, nil
}

// runUnderWay is a run of an installed plugin.
type runUnderWay struct {
	slot   *slot
	plugin agent.Plugin
	daemon bool
	terms  terms
	end    context.CancelCauseFunc
}

// endedError is why the runner has ended a run.
type endedError struct{ err error }

func (e *endedError) Error() string { return e.err.Error() }

// begin begins a run if the policy allows it. The context of the run ends when another
// policy does not, or when done is called. A policy that is put in force finds the run, or
// the run begins by that policy.
func (r *Runner) begin(ctx context.Context, s *slot, p agent.Plugin, daemon bool) (run *runUnderWay, bounded context.Context, done func(), err error) {
	bounded, end := context.WithCancelCause(ctx)
	run = &runUnderWay{slot: s, plugin: p, daemon: daemon, end: end}
	for {
		t := r.terms(p)
		if err := r.allowInstalled(s, p, t); err != nil {
			end(nil)
			return nil, nil, nil, err
		}
		if run.terms, err = t.withSecrets(); err != nil {
			end(nil)
			return nil, nil, nil, err
		}
		if r.add(run) {
			break
		}
	}
	return run, bounded, func() {
		end(nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.runs, run)
	}, nil
}

// add adds a run, unless its terms are of rules that are not in force any more.
func (r *Runner) add(run *runUnderWay) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rules.Load() != run.terms.rules {
		return false
	}
	r.runs[run] = true
	return true
}

// underWay returns the runs of installed plugins.
func (r *Runner) underWay() []*runUnderWay {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.runs))
}

// endIfRefused ends a run that is refused now, or a daemon that has to run in another way.
func (r *Runner) endIfRefused(run *runUnderWay) {
	t := r.terms(run.plugin)
	if err := r.allowInstalled(run.slot, run.plugin, t); err != nil {
		run.end(&endedError{err})
		return
	}
	t, err := t.withSecrets()
	if run.daemon && (err != nil || !run.terms.alike(t)) {
		run.end(&endedError{agent.ErrRunAgain})
	}
}
