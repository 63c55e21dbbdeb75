// Package policy decides what may run on this host, whatever a registry asks for. Its
// functions are pure. The config, the runner of plugins and the plan all use them.
package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Keys of the config that refuse plugins.
const (
	KeyPlugins = "policy.plugins"
	KeyPinned  = "policy.pinned"
	KeySigners = "policy.signers"
	KeyMatch   = "policy.plugin.match"
	KeyCalls   = "policy.calls"
	KeyEnv     = "policy.plugin.env"
	KeyNetwork = "policy.plugin.network"
	KeyState   = "policy.plugin.state"
)

// Policy is what the host's config allows. Its zero value allows everything.
type Policy struct {
	// Plugins are globs of the repositories ORG/PROJECT that may be installed.
	// Empty: all may.
	Plugins []string
	// Signers is an allowed_signers file (ssh-keygen(1)): only versions that one of
	// them has signed are installed. Empty: signatures are not verified.
	Signers string
	// Pinned allows only plugins with a version.
	Pinned bool
	// NoCalls refuses runs that are requested over HTTP.
	NoCalls bool
	// Rules for plugins. The first one that matches counts.
	Rules []Rule
}

// Rule says how matching plugins run. For a zero field the default of all plugins holds.
type Rule struct {
	// Match is a glob of repositories ORG/PROJECT.
	Match string
	// User that the plugins run as: a name, or "dynamic" for a separate user for each
	// namespace.
	User string
	// Env is the path of a file with lines NAME=VALUE for their environment.
	Env string
	// Memory of a run in bytes.
	Memory int64
	// Pids is how many processes and threads a run may have at a time.
	Pids int
	// CPU in cores.
	CPU float64
	// State is how much a plugin may keep in its own directory, in bytes.
	State int64
	// NoNetwork runs the plugins without a network.
	NoNetwork bool
}

// Refusal is the error of a plugin that the policy refuses.
type Refusal struct {
	// Key of the config that refuses it: policy.plugins, for example.
	Key    string
	Reason string
}

func (e *Refusal) Error() string { return fmt.Sprintf("refused by %s: %s", e.Key, e.Reason) }

// Check returns a [*Refusal] if the policy does not allow installing or running the
// plugin. version is empty for the newest release. Check does not verify signatures: the
// runner does, after fetching.
func (p Policy) Check(repo, version string) error {
	if len(p.Plugins) > 0 && !matchesAny(p.Plugins, repo) {
		return &Refusal{KeyPlugins, fmt.Sprintf("%s matches none of its globs", repo)}
	}
	if p.Pinned && version == "" {
		return &Refusal{KeyPinned, fmt.Sprintf("%s has no version, and only plugins with one are installed: name a tag or a commit in the registry", repo)}
	}
	return p.checkCase(repo)
}

// checkCase refuses a name that a rule does not match only because of its case. Many
// servers do not distinguish case, so the plugin could escape its rule.
func (p Policy) checkCase(repo string) error {
	for _, rule := range p.Rules {
		if matches(rule.Match, repo) {
			return nil
		}
		if matches(strings.ToLower(rule.Match), strings.ToLower(repo)) {
			return &Refusal{KeyMatch, fmt.Sprintf("%s differs from %s only in case: write both alike", repo, rule.Match)}
		}
	}
	return nil
}

// Rule returns the first rule that matches the repository, or the zero Rule.
func (p Policy) Rule(repo string) Rule {
	for _, rule := range p.Rules {
		if matches(rule.Match, repo) {
			return rule
		}
	}
	return Rule{}
}

// CheckGlob returns an error if a glob of repositories is not valid. A * stands for any
// text without a slash, so infra/* is one organisation without subgroups. Case matters.
func CheckGlob(glob string) error {
	switch _, err := path.Match(glob, ""); {
	case err != nil:
		return fmt.Errorf("%q is not a glob: a [ without its ], or a \\ at the end", glob)
	case !strings.Contains(glob, "/"):
		return fmt.Errorf("%q matches no repository, as those are ORG/PROJECT; write %s/*, for example", glob, strings.Trim(glob, "*"))
	case strings.ContainsFunc(glob, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return errors.New("a glob with blanks, control characters or letters beyond ASCII matches no repository")
	}
	return nil
}

func matchesAny(globs []string, repo string) bool {
	for _, glob := range globs {
		if matches(glob, repo) {
			return true
		}
	}
	return false
}

func matches(glob, repo string) bool {
	ok, err := path.Match(glob, repo)
	return ok && err == nil
}
