package gitrunner

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/repopath"
)

// template makes the address of a plugin's repository.
type template struct {
	text string // with one %s
	// scheme as git names its transports: file, git, http, https, ssh.
	scheme string
	// org is the organisation in which the path ends, or empty.
	org string
}

// errNoGit is the refusal of an agent that was not told where plugins are.
var errNoGit = errors.New("plugins cannot be installed: set agent.git to the address they are cloned from, such as https://git.example.com/%s.git")

// CheckGit says what is wrong with an address for [Config.Git].
func CheckGit(text string) error {
	_, err := parseTemplate(text)
	return err
}

// parseTemplate takes an address apart. All that it accepts are addresses of
// which git reads the scheme, the host and the path as we do.
func parseTemplate(text string) (template, error) {
	t := template{text: text}
	if strings.Count(text, "%s") != 1 {
		return t, fmt.Errorf("%q must contain %%s once, where the plugin's path goes", text)
	}
	if strings.HasPrefix(text, "-") || strings.ContainsFunc(text, unprintable) {
		return t, fmt.Errorf("%q begins with '-' or contains blanks or control characters", text)
	}
	host, dir, ok := t.split()
	if !ok {
		return t, fmt.Errorf("%q is no address of a repository; write git://, http://, https:// or ssh://HOST/%%s.git, file:///DIRECTORY/%%s, or USER@HOST:%%s.git", text)
	}
	if t.scheme != "file" && (host == "" || strings.HasPrefix(host, "-") || strings.Contains(host, "%s")) {
		return t, fmt.Errorf("%q names no host", text)
	}
	if slices.Contains(strings.FieldsFunc(text, func(c rune) bool { return c == '/' || c == ':' }), "..") {
		return t, fmt.Errorf("%q must not contain \"..\"", text)
	}
	if parts := strings.Split(strings.Trim(dir, "/"), "/"); parts[len(parts)-1] != "" {
		t.org = parts[len(parts)-1]
	}
	return t, nil
}

func unprintable(c rune) bool { return c <= ' ' || c == 0x7f }

// split takes the template apart: its scheme, the host, and the path up to
// the last slash before %s.
func (t *template) split() (host, dir string, ok bool) {
	before, _, _ := strings.Cut(t.text, "%s")
	scheme, rest, isURL := strings.Cut(before, "://")
	switch {
	case isURL:
		t.scheme = scheme
		host, dir, ok = strings.Cut(rest, "/")
	case !strings.HasPrefix(before, "/"):
		t.scheme = "ssh" // [USER@]HOST:PATH, as of scp
		host, dir, ok = strings.Cut(before, ":")
		ok = ok && !strings.Contains(host, "/") && !strings.HasPrefix(dir, ":")
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
	return host, path.Dir("/" + dir + "x")[1:], ok
}

// address returns what to clone for a repository ORG/PROJECT.
//
// A file template's directory cannot be told from an organisation, so there
// it is one only for the plugins that name it.
func (t template) address(repo string) (string, error) {
	if t.text == "" {
		return "", errNoGit
	}
	org, project, err := splitRepo(repo)
	if err != nil {
		return "", err
	}
	if t.org == org {
		return strings.Replace(t.text, "%s", project, 1), nil
	}
	if t.org != "" && t.scheme != "file" {
		return "", fmt.Errorf("repository %s is refused: agent.git accepts plugins of the organisation %s only", repo, t.org)
	}
	return strings.Replace(t.text, "%s", org+"/"+project, 1), nil
}

// splitRepo checks and splits ORG/PROJECT.
func splitRepo(repo string) (org, project string, err error) {
	org, project, _ = strings.Cut(repo, "/")
	if !repopath.ValidName(org) || !repopath.ValidName(project) {
		return "", "", fmt.Errorf("repository %q is refused: it must be ORG/PROJECT, each of letters, digits, '.', '_' and '-', beginning with a letter or digit, and without \"..\"", repo)
	}
	return org, project, nil
}

// checkPlugin refuses names that could lead out of the plugins' directory.
func checkPlugin(p agent.Plugin) error {
	if !repopath.ValidName(p.Namespace) {
		return fmt.Errorf("namespace %q is refused: it must consist of letters, digits, '.', '_' and '-', begin with a letter or digit, and not contain \"..\"", p.Namespace)
	}
	_, _, err := splitRepo(p.Repo)
	return err
}

// CheckBranch says what is wrong with a name for [Config.Branch]. It refuses
// names that git would take for something else.
func CheckBranch(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if !repopath.ValidName(part) || strings.HasSuffix(part, ".lock") || strings.HasSuffix(part, ".") {
			return fmt.Errorf("%q is no name of a git branch that can be used here", name)
		}
	}
	return nil
}

// withoutPassword is the address as it may be shown to everybody.
func withoutPassword(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address // USER@HOST:PATH, which has none
}
