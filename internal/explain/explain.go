// Package explain answers, in sentences, why a measurement, a plugin or a namespace does or
// does not arrive.
//
//	Facts ──► Explain ──► Answer
//
// Explain is a pure function. Its sentences come in the order of a person's questions: who
// wants it, who makes it and how often, when it was last made, where it is now. The first
// reason why it does not arrive comes instead of what would follow.
//
//	facts.go        what it is told
//	measurement.go  what collectors and other programs measure
//	plugin.go       plugins and what they measure
//	namespace.go    namespaces, and what the registry says
//	delivery.go     where points are
//	near.go         names that are like an unknown one
package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/terminal"
)

// What a name can be.
const (
	Metric    = "measurement"
	Program   = "plugin"
	Namespace = "namespace"
)

// Answer explains a name.
type Answer struct {
	Name string `json:"name"`
	// What it is: Metric, Program or Namespace.
	What string `json:"what"`
	// Sentences explain it. Each ends with a full stop.
	Sentences []string `json:"sentences"`
	// Reason is the sentence that says why it does not arrive. Empty: as far as the
	// agent knows, it does.
	Reason string `json:"reason,omitempty"`
	// Facts are those of the agent that concern the name.
	Facts Facts `json:"facts"`
}

// UnknownError is the error for a name that nothing has.
type UnknownError struct {
	Name string
	// Near are names that are like it, the likest first.
	Near []string
	// NotInForce is true while it is not known what to collect, so that the name may be
	// known later.
	NotInForce bool
}

func (e *UnknownError) Error() string {
	text := fmt.Sprintf("nothing here is called %.100q: it is no measurement, plugin or namespace that this agent knows", e.Name)
	if e.NotInForce {
		text += "; the registry has not given an answer since the start, so namespaces and plugins are not known yet"
	}
	if len(e.Near) > 0 {
		text += "; did you mean " + strings.Join(e.Near, " or ") + "?"
	}
	return text
}

// Explain explains the name of a measurement (cpu.idle), a plugin (PLUGIN.mysql, ORG/PROJECT
// or NS/ORG/PROJECT) or a namespace. The error is an [*UnknownError].
func Explain(name string, f Facts) (Answer, error) {
	x := &explanation{known: f, Answer: Answer{Name: name, Facts: Facts{
		Now: f.Now, Host: f.Host, Namespaces: f.Namespaces, Registry: f.Registry, Output: f.Output, Remembers: f.Remembers,
	}}}
	x.Facts.Output.Topics = nil
	for _, s := range f.Series {
		if s.Name == name {
			x.Facts.Series = append(x.Facts.Series, s)
		}
	}
	for _, explain := range []func() bool{x.hostMeasurement, x.item, x.plugins, x.namespace, x.pluginMeasurement, x.posted, x.otherSeries, x.notAssigned} {
		if explain() {
			return x.Answer, nil
		}
	}
	return Answer{}, &UnknownError{Name: name, Near: near(name, f.names()), NotInForce: !f.Registry.InForce}
}

// explanation is an Answer that is being written.
type explanation struct {
	Answer
	known Facts
}

// say adds a sentence, without its full stop.
func (x *explanation) say(format string, args ...any) string {
	sentence := strings.TrimRight(fmt.Sprintf(format, args...), ".") + "."
	x.Sentences = append(x.Sentences, sentence)
	return sentence
}

// because adds the reason why the name does not arrive.
func (x *explanation) because(format string, args ...any) {
	sentence := x.say(format, args...)
	if x.Reason == "" {
		x.Reason = sentence
	}
}

// ago says how long ago a time was.
func (x *explanation) ago(t time.Time) string { return x.age(t) + " ago" }

// age says how long has passed since a time.
func (x *explanation) age(t time.Time) string { return terminal.Age(x.known.Now.Sub(t)) }

// every formats an interval in seconds.
func every(interval float64) string { return terminal.Age(terminal.Seconds(interval)) }

// maxForeign is how many bytes of a text of others are repeated.
const maxForeign = 400

// brief returns a text of others in one line.
func brief(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' }), "; ")
	if len(text) > maxForeign {
		text = strings.ToValidUTF8(text[:maxForeign], "") + "…"
	}
	return text
}

// list joins names for a sentence: "a, b and 3 more".
func list(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// counted returns the number with its noun.
func counted[N int | int64](n N, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// isHosts reports whether the namespace is one of the host's.
func (x *explanation) isHosts(namespace string) bool {
	return slices.Contains(x.known.Namespaces, namespace)
}
