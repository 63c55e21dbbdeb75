package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PlanAction says what would happen to a thing.
type PlanAction string

// What happens to things.
const (
	PlanAdd    PlanAction = "add"
	PlanRemove PlanAction = "remove"
	PlanModify PlanAction = "modify"
)

// PlanChange is one thing that would be added, removed or modified.
type PlanChange struct {
	Action PlanAction `json:"action"`
	// What is the kind of thing: namespace, interval (of a kind of measurement),
	// plugin, port or process.
	What      string `json:"what"`
	Namespace string `json:"ns"`
	// Name of the thing within its namespace: the kind of measurement, the
	// repository of a plugin, the measurement of a port or process. Empty for a
	// namespace.
	Name string `json:"name,omitempty"`
	// Values are the values of the thing or, of a modified one, those that change.
	Values []PlanValue `json:"values"`
}

// PlanValue is a value before and after an update. Empty: it is not set.
type PlanValue struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// planKey identifies a thing. The fields are in the order by which changes are
// sorted.
type planKey struct {
	namespace string
	rank      int // of its kind in planKinds
	name      string
	number    int // of several with one name
}

func (k planKey) compare(other planKey) int {
	return cmp.Or(strings.Compare(k.namespace, other.namespace), cmp.Compare(k.rank, other.rank),
		strings.Compare(k.name, other.name), cmp.Compare(k.number, other.number))
}

// planKinds are the kinds of things, in the order in which changes are sorted.
var planKinds = [...]struct {
	what   string
	values []string // the names of a thing's values
	// list calls add for each thing of the kind in an assignment, with its values.
	list func(a Assignment, add func(name string, values ...string))
}{
	{"namespace", []string{"id"}, func(a Assignment, add func(string, ...string)) {
		add("", a.ID)
	}},
	{"interval", []string{"interval"}, func(a Assignment, add func(string, ...string)) {
		for kind, interval := range a.Intervals {
			add(kind, interval.String())
		}
	}},
	// A plugin from another repository is another plugin.
	{"plugin", []string{"name", "version", "interval", "args", "format", "mode"}, func(a Assignment, add func(string, ...string)) {
		plugins, _ := distinctPlugins([]Assignment{a})
		for _, p := range plugins {
			args := ""
			if len(p.Args) > 0 {
				args = fmt.Sprintf("%q", p.Args)
			}
			add(p.Repo, p.Name, p.Version, unlessZero(p.Interval), args, p.Format, p.Mode)
		}
	}},
	{"port", []string{"port", "timeout", "address", "protocol", "listen", "tls", "tls_name"}, func(a Assignment, add func(string, ...string)) {
		for _, p := range a.Ports {
			add(p.Name, strconv.Itoa(p.Port), unlessZero(p.Timeout), p.Address, p.Protocol, unlessFalse(p.Listen), unlessFalse(p.TLS), p.TLSName)
		}
	}},
	{"process", []string{"path", "cmdline", "user", "unit", "pidfile", "containers"}, func(a Assignment, add func(string, ...string)) {
		for _, p := range a.Processes {
			add(p.Name, p.Path, p.Cmdline, p.User, p.Unit, p.PIDFile, unlessFalse(p.Containers))
		}
	}},
}

// CompareAssignments returns how next differs from known, in the order of [Plan], and how
// many things are the same in both.
func CompareAssignments(known, next []Assignment) (changes []PlanChange, unchanged int) {
	before, after := planThings(known), planThings(next)
	keys := make([]planKey, 0, len(after))
	for key := range after {
		keys = append(keys, key)
	}
	for key := range before {
		if _, stays := after[key]; !stays {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, planKey.compare)
	changes = []PlanChange{}
	for _, key := range keys {
		kind := planKinds[key.rank]
		old, was := before[key]
		values, is := after[key]
		change := PlanChange{Action: PlanModify, What: kind.what, Namespace: key.namespace, Name: key.name, Values: []PlanValue{}}
		switch {
		case !was:
			change.Action, old = PlanAdd, make([]string, len(values))
		case !is:
			change.Action, values = PlanRemove, make([]string, len(old))
		}
		for i, name := range kind.values {
			if old[i] != values[i] {
				change.Values = append(change.Values, PlanValue{name, old[i], values[i]})
			}
		}
		if was && is && len(change.Values) == 0 {
			unchanged++
			continue
		}
		changes = append(changes, change)
	}
	return changes, unchanged
}

// planThings returns the values of each assigned thing.
func planThings(assignments []Assignment) map[planKey][]string {
	things := make(map[planKey][]string)
	for _, a := range assignments {
		for rank, kind := range planKinds {
			kind.list(a, func(name string, values ...string) {
				key := planKey{a.Namespace, rank, name, 0}
				for things[key] != nil {
					key.number++
				}
				things[key] = values
			})
		}
	}
	return things
}

func unlessFalse(is bool) string {
	if !is {
		return ""
	}
	return "true"
}

func unlessZero(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
