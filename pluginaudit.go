package agent

import (
	"fmt"
	"strings"

	"github.com/lodastack/agent/internal/audit"
	"github.com/lodastack/agent/internal/event"
)

// By whose word a version changes, as in PluginDetails.By and the audit log.
const (
	byRegistry = "registry"
	byUpdate   = "update"
	byRollback = "rollback"
)

// noteVersion tells the log and the audit log where the installed version of a
// plugin has changed. That is not known of a runner that is no [PluginInspector].
func (s *pluginSet) noteVersion(key pluginKey, plugin Plugin, by string, was, is PluginDetails) {
	if was.Commit == is.Commit {
		return
	}
	s.logger.Info("the version of a plugin has changed", event.Attr(event.PluginChanged), "plugin", key.String(), "repo", plugin.Repo,
		"by", by, "from", was.Commit, "to", is.Commit, "signer", is.Signer)
	s.audit.Write(audit.Line{Who: by, From: "agent", What: versionText(key, plugin, was, is), Result: "ok"})
}

// versionText says what has changed.
func versionText(key pluginKey, plugin Plugin, was, is PluginDetails) string {
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
func (s *pluginSet) noteRefusal(key pluginKey, plugin Plugin, by string, err error) {
	if startResult(err) != RunPolicy {
		return
	}
	wanted := plugin.Version
	switch {
	case by == byRollback:
		wanted = "the version before"
	case wanted == "":
		wanted = "its newest release"
	}
	s.audit.Write(audit.Line{Who: by, From: "agent", What: fmt.Sprintf("plugin %s %s %s", key, plugin.Repo, wanted), Result: err.Error()})
}
