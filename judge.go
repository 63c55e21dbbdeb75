package agent

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginargs"
	"github.com/lodastack/agent/internal/pluginoutput"
	"github.com/lodastack/agent/internal/repopath"
	"github.com/lodastack/agent/internal/topic"
)

// pluginPrefix begins the name of every plugin.
const pluginPrefix = "PLUGIN."

// maxNamespaces bounds the namespaces of a host: each costs memory and a writer.
const maxNamespaces = 1000

// maxProblems bounds the problems of one assignment, and those of one answer.
const maxProblems = 100

// judge returns the valid part of a registry's answer, sorted by namespace. A bad item
// becomes a problem of its namespace, a bad namespace a problem of the answer.
func judge(answer []Assignment) (good []Assignment, problems []string) {
	for _, assignment := range answer {
		if err := topic.CheckNamespace("", assignment.Namespace); err != nil {
			problems = append(problems, fmt.Sprintf("ignored: %v", err))
			continue
		}
		good = append(good, judgeItems(assignment))
	}
	slices.SortStableFunc(good, func(a, b Assignment) int { return strings.Compare(a.Namespace, b.Namespace) })
	good = slices.CompactFunc(good, func(a, b Assignment) bool {
		if a.Namespace != b.Namespace {
			return false
		}
		problems = append(problems, fmt.Sprintf("namespace %s occurs twice in the answer: the second one is ignored", a.Namespace))
		return true
	})
	if more := len(good) - maxNamespaces; more > 0 {
		problems = append(problems, fmt.Sprintf("%d namespaces are ignored: a host can be in %d, and the answer has more", more, maxNamespaces))
		good = good[:maxNamespaces]
	}
	return good, bounded(problems)
}

// judgeItems returns the assignment without its bad items. It does not change the registry's
// own values.
func judgeItems(a Assignment) Assignment {
	var problems []string
	bad := func(what, name string, err error) bool {
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s %.100q is ignored: %v", what, name, err))
		}
		return err != nil
	}
	a.Intervals = maps.Clone(a.Intervals)
	for _, kind := range slices.Sorted(maps.Keys(a.Intervals)) {
		if bad("the interval of", kind, checkInterval(a.Intervals[kind], 1)) {
			delete(a.Intervals, kind)
		}
	}
	a.Plugins = slices.DeleteFunc(slices.Clone(a.Plugins), func(p Plugin) bool {
		return bad("plugin", p.Name, checkPlugin(a.Namespace, p))
	})
	for i := range a.Plugins {
		a.Plugins[i].Namespace = a.Namespace
	}
	a.Ports = slices.DeleteFunc(slices.Clone(a.Ports), func(p Port) bool { return bad("port", p.Name, CheckPort(p)) })
	a.Processes = slices.DeleteFunc(slices.Clone(a.Processes), func(p Process) bool {
		return bad("process", p.Name, CheckProcess(p))
	})
	a.Problems = slices.Concat(a.Problems, bounded(problems))
	return a
}

// bounded returns problems, or the first of many and how many more there are.
func bounded(problems []string) []string {
	if len(problems) <= maxProblems {
		return problems
	}
	return append(problems[:maxProblems:maxProblems], fmt.Sprintf("and %d more problems", len(problems)-maxProblems))
}

func checkPlugin(namespace string, p Plugin) error {
	name, prefixed := strings.CutPrefix(p.Name, pluginPrefix)
	if !prefixed {
		return fmt.Errorf("its name does not begin with %s", pluginPrefix)
	}
	if !repopath.ValidName(namespace) {
		return errors.New("its namespace cannot be the name of a directory")
	}
	if p.Namespace != "" && p.Namespace != namespace {
		return fmt.Errorf("it is assigned to namespace %s, but names the namespace %.100q", namespace, p.Namespace)
	}
	if len(name) > maxPluginName {
		return fmt.Errorf("its name has %d characters; the limit is %d", len(name), maxPluginName)
	}
	if err := influxdb.CheckName(name); err != nil {
		return err
	}
	if err := repopath.Check(p.Repo); err != nil {
		return fmt.Errorf("its repository %.100q: %w", p.Repo, err)
	}
	if p.Version != "" {
		if err := repopath.CheckVersion(p.Version); err != nil {
			return fmt.Errorf("its version %.100q: %w", p.Version, err)
		}
	}
	if err := pluginoutput.Format(p.Format).Check(); err != nil {
		return err
	}
	if err := manifest.CheckMode(p.Mode, pluginoutput.Format(p.Format)); err != nil {
		return err
	}
	if err := pluginargs.Check(p.Args); err != nil {
		return err
	}
	return checkInterval(p.Interval, 0)
}

// longestInterval bounds all intervals. Sums of longer ones could overflow.
const longestInterval = 31 * 24 * time.Hour

func checkInterval(interval, least time.Duration) error {
	if interval < least {
		return fmt.Errorf("an interval of %s is too short", interval)
	}
	if interval > longestInterval {
		return fmt.Errorf("an interval of %s is too long; the limit is 31 days", interval)
	}
	return nil
}

// confirmAfter is how far apart two answers of the registry must be for the
// second to confirm the first.
const confirmAfter = time.Minute

// doubted is an answer that would remove so much that the registry may be broken, or was
// emptied by mistake.
type doubted struct {
	answer  []Assignment
	since   time.Time
	reason  *shrunkError
	changes []PlanChange // what it changes once it is believed
}

// shrunkError means that an answer is not believed yet.
type shrunkError struct {
	registry      string // one of several; empty: the only one, or all of them together
	before, after int
}

func (e *shrunkError) Error() string {
	return fmt.Sprintf("%s would remove more than half of what runs here (%d namespaces, plugins, ports and processes, %d afterwards): "+
		"the agent believes that when the registry says it again, a minute from now or later", cmp.Or(e.registry, "the registry"), e.before, e.after)
}

// doubt returns an error if next takes away more than half of what is known
// and no answer at least confirmAfter ago, with no other in between, said the
// same. The caller holds mu.
func (u *updater) doubt(next []Assignment) error {
	shrunk := checkShrunk(u.known, next, u.registry)
	if shrunk == nil {
		u.doubted = nil
		return nil
	}
	if u.doubted == nil || !reflect.DeepEqual(u.doubted.answer, next) {
		changes, _ := CompareAssignments(u.known, next)
		u.doubted = &doubted{answer: next, since: time.Now(), reason: shrunk, changes: changes[:min(len(changes), maxProblems)]}
	}
	if time.Since(u.doubted.since) < confirmAfter {
		return u.doubted.reason
	}
	u.doubted = nil
	return nil
}

// checkShrunk returns an error if next removes more than half of what is known, or more than
// half of what one of several registries has assigned. A namespace that passes from one
// registry to another is not removed. What a registry has assigned that is not asked any more
// does not count: whoever took it out of the config wants it to go.
func checkShrunk(known, next []Assignment, asked registryPart) *shrunkError {
	known = slices.DeleteFunc(slices.Clone(known), func(a Assignment) bool { return asked.without(a.Registry) })
	if before, after := items(known), items(next); after*2 < before {
		return &shrunkError{"", before, after}
	}
	owner := make(map[string]string, len(known))
	before, after := make(map[string]int), make(map[string]int)
	for _, a := range known {
		owner[a.Namespace] = a.Registry
		before[a.Registry] += items([]Assignment{a})
	}
	for _, a := range next {
		from, had := owner[a.Namespace]
		if !had {
			from = a.Registry
		}
		after[from] += items([]Assignment{a})
	}
	for _, registry := range slices.Sorted(maps.Keys(before)) {
		if after[registry]*2 < before[registry] {
			return &shrunkError{registry, before[registry], after[registry]}
		}
	}
	return nil
}

// items counts what is assigned.
func items(assignments []Assignment) (count int) {
	for _, assignment := range assignments {
		count += 1 + len(assignment.Plugins) + len(assignment.Ports) + len(assignment.Processes)
	}
	return count
}
