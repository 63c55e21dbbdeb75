package gitrunner

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/repopath"
)

// template builds the address of a plugin's repository.
type template struct {
	// text contains %s once, or %o and %p once each. It never contains a
	// password: that is in login.
	text string
	// scheme as git names its transports: file, git, http, https, ssh.
	scheme string
	// dir is the path in front of %s. It may end in an organisation.
	dir   string
	login *login // nil if the address has no password
}

// errNoGit is returned for every plugin if agent.git is not set.
var errNoGit = errors.New("plugins cannot be installed: set agent.git to the address that they are cloned from, such as https://git.example.com/%s.git")

// CheckGit returns an error if an address cannot be used for [Config.Git].
func CheckGit(text string) error {
	_, err := parseTemplate(text)
	return err
}

// parseTemplate parses an address for [Config.Git].
func parseTemplate(text string) (template, error) {
	t, err := parseAddress(text)
	if err != nil {
		return t, err
	}
	_, repo, _ := t.split()
	if !hasPlace(t.text) || !hasPlace(repo) {
		return t, fmt.Errorf("%q must contain %%s once in its path, for ORG/PROJECT, or both %%o and %%p once, for ORG and PROJECT", t.text)
	}
	if before, _, found := strings.Cut(repo, "%s"); found {
		t.dir = strings.Trim(path.Dir("/"+before+"x"), "/")
	}
	return t, nil
}

// parseAddress parses an address of one repository or of many. It accepts only addresses
// that git and this package split into scheme, host and path in the same way. Its errors
// contain no passwords.
func parseAddress(text string) (template, error) {
	t := template{text: text}
	if strings.HasPrefix(text, "-") || strings.ContainsFunc(text, unprintable) {
		return t, errors.New("it begins with '-' or contains blanks or control characters")
	}
	if err := t.takeLogin(); err != nil {
		return t, err
	}
	host, _, ok := t.split()
	if !ok {
		return t, fmt.Errorf("%q is not the address of a repository; write git://, http://, https:// or ssh://HOST/PATH, file:///PATH, or USER@HOST:PATH", t.text)
	}
	if t.scheme != "file" && (host == "" || strings.HasPrefix(host, "-")) {
		return t, fmt.Errorf("%q names no host", t.text)
	}
	if slices.Contains(strings.FieldsFunc(t.text, func(c rune) bool { return c == '/' || c == ':' }), "..") {
		return t, fmt.Errorf("%q must not contain \"..\"", t.text)
	}
	return t, nil
}

// hasPlace reports whether a path has a placeholder for the whole of
// ORG/PROJECT.
func hasPlace(path string) bool {
	s, o, p := strings.Count(path, "%s"), strings.Count(path, "%o"), strings.Count(path, "%p")
	return s == 1 && o == 0 && p == 0 || s == 0 && o == 1 && p == 1
}

func unprintable(c rune) bool { return c <= ' ' || c == 0x7f }

// split returns the host of the template and the path on it, and sets the
// scheme.
func (t *template) split() (host, repo string, ok bool) {
	scheme, rest, isURL := strings.Cut(t.text, "://")
	switch {
	case isURL:
		t.scheme = scheme
		host, repo, ok = strings.Cut(rest, "/")
	case !strings.HasPrefix(t.text, "/"):
		t.scheme = "ssh" // [USER@]HOST:PATH, as scp(1) writes it
		host, repo, ok = strings.Cut(t.text, ":")
		ok = ok && !strings.Contains(host, "/") && !strings.HasPrefix(repo, ":")
	}
	switch t.scheme {
	case "file":
		ok = ok && host == ""
	case "git", "http", "https", "ssh":
	default:
		ok = false
	}
	_, userless, hasUser := strings.Cut(host, "@")
	if hasUser && strings.HasPrefix(userless, "-") {
		ok = false
	}
	return host, repo, ok
}

// address returns the address to clone for a repository ORG/PROJECT.
//
// The path of a template with %s may end in an organisation. Then %s is the
// rest of the plugin's path after the organisation, and other organisations are
// refused. In a file template the last directory may or may not be an
// organisation. It counts as one only for plugins whose path begins with it.
func (t template) address(repo string) (string, error) {
	if t.text == "" {
		return "", errNoGit
	}
	org, project, err := splitRepo(repo)
	if err != nil {
		return "", err
	}
	if strings.Contains(t.text, "%p") {
		return strings.NewReplacer("%o", org, "%p", project).Replace(t.text), nil
	}
	if rest, within := t.within(repo); within {
		return strings.Replace(t.text, "%s", rest, 1), nil
	}
	if t.dir != "" && t.scheme != "file" {
		return "", fmt.Errorf("repository %s is refused: agent.git accepts plugins of the organisation %s only; if that is a directory of the server, write %%o/%%p in place of %%s",
			repo, path.Base(t.dir))
	}
	return strings.Replace(t.text, "%s", repo, 1), nil
}

// within returns the rest of a repository's path after the organisation, if the template
// ends in one. The organisation is the longest end of dir with which the path begins.
func (t template) within(repo string) (rest string, ok bool) {
	for end := t.dir; end != ""; {
		if rest, ok := strings.CutPrefix(repo, end+"/"); ok {
			return rest, true
		}
		_, end, _ = strings.Cut(end, "/")
	}
	return "", false
}

// splitRepo checks ORG/PROJECT and splits it at its last slash, because ORG may
// have subgroups.
func splitRepo(repo string) (org, project string, err error) {
	if err := repopath.Check(repo); err != nil {
		return "", "", fmt.Errorf("repository %.100q is refused: %w", repo, err)
	}
	return path.Dir(repo), path.Base(repo), nil
}

// checkPlugin refuses names that could lead out of the plugins' directory.
func checkPlugin(p agent.Plugin) error {
	if !repopath.ValidName(p.Namespace) {
		return fmt.Errorf("namespace %q is refused: it must consist of letters, digits, '.', '_' and '-', begin with a letter or digit, and not contain \"..\"", p.Namespace)
	}
	if p.Version != "" {
		if err := repopath.CheckVersion(p.Version); err != nil {
			return fmt.Errorf("version %.100q is refused: %w", p.Version, err)
		}
	}
	_, _, err := splitRepo(p.Repo)
	return err
}

// CheckBranch returns an error if a name cannot be used for [Config.Branch]. It refuses
// names that git does not accept for a branch.
func CheckBranch(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if !repopath.ValidName(part) || strings.HasSuffix(part, ".lock") || strings.HasSuffix(part, ".") {
			return fmt.Errorf("%q is not a name of a git branch that can be used here", name)
		}
	}
	return nil
}
