package plugins

import (
	"fmt"
	"strings"

	"github.com/lodastack/agent/internal/audit"
	"github.com/lodastack/agent/internal/event"
)

// noteVersion writes a change of the installed version to the log and the audit log. Without
// an inspector, changes are not known.
func (s *Set) noteVersion(key Key, plugin Plugin, by string, was, is Release) {
	if was.Commit == is.Commit {
		return
	}
	s.Logger.Info("the version of a plugin has changed", event.Attr(event.PluginChanged), "plugin", key.String(), "repo", plugin.Repo,
		"by", by, "from", was.Commit, "to", is.Commit, "signer", is.Signer)
	s.Audit.Write(audit.Line{Who: by, From: "agent", What: versionText(key, plugin, was, is), Result: "ok"})
}

// versionText says what has changed.
func versionText(key Key, plugin Plugin, was, is Release) string {
	text := []string{fmt.Sprintf("plugin %s %s", key, plugin.Repo)}
	switch {
	case is.Commit == "":
		text = append(text, "removed", "from "+was.Commit)
	case was.Commit == "":
		text = append(text, "installed", "to "+is.Commit)
	default:
		text = append(text, "changed", "from "+was.Commit, "to "+is.Commit)
	}
	if is.Version != "" && is.Version != is.Commit {
		text = append(text, "version "+is.Version)
	}
	if is.Signer != "" {
		text = append(text, "signed by "+is.Signer)
	}
	return strings.Join(text, " ")
}

// noteRefusal tells the audit log of a plugin that the host's own config refuses.
func (s *Set) noteRefusal(key Key, plugin Plugin, by string, err error) {
	if !s.Errors.Refused(err) {
		return
	}
	wanted := plugin.Version
	switch {
	case by == ByRollback:
		wanted = "the version before"
	case wanted == "":
		wanted = "its newest release"
	}
	s.Audit.Write(audit.Line{Who: by, From: "agent", What: fmt.Sprintf("plugin %s %s %s", key, plugin.Repo, wanted), Result: err.Error()})
}
