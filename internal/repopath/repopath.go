// Package repopath reads the addresses of plugin repositories, as the registry
// and the callers of the HTTP API write them.
package repopath

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxName is the longest file name that Linux file systems take, in bytes:
// names become directories.
const maxName = 255

// maxPath is the longest path, in bytes. GitLab nests groups 20 deep.
const maxPath = 1024

// Parse returns the path ORG/PROJECT of the repository at address, which has
// one of the forms
//
//	ORG/PROJECT
//	git@host:ORG/PROJECT.git
//	https://host/ORG/PROJECT.git
//
// ORG may have subgroups, as in GitLab: ORG/SUBGROUP/PROJECT. The schemes http, https,
// git and ssh are known. User, host and port are ignored, and the ending .git may be left
// out. The path obeys [Check]. Parsing a returned path returns it unchanged. Errors do
// not contain text that may be a password.
func Parse(address string) (string, error) {
	path, err := pathOf(strings.TrimSpace(address))
	if err != nil {
		return "", err
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	if err := Check(path); err != nil {
		return "", fmt.Errorf("the repository's path %.80q is refused: %w", path[strings.LastIndex(path, "@")+1:], err)
	}
	return path, nil
}

// Check returns an error unless path is a valid ORG/PROJECT or ORG/SUBGROUP/PROJECT. A
// valid path has at most 1024 bytes and two or more names that obey [ValidName]. The last
// name is the project, and does not end in .git.
func Check(path string) error {
	names := strings.Split(path, "/")
	// A project that still ended in .git would be another one when read again.
	if len(names) < 2 || len(path) > maxPath || strings.HasSuffix(path, ".git") ||
		slices.ContainsFunc(names, func(name string) bool { return !ValidName(name) }) {
		return errors.New("it is not ORG/PROJECT or ORG/SUBGROUP/PROJECT, where each name begins with a letter or digit" +
			" and continues with letters, digits, '.', '_' and '-', without '..'")
	}
	return nil
}

// pathOf cuts scheme, user, host and port off an address.
func pathOf(address string) (string, error) {
	scheme, rest, hasScheme := strings.Cut(address, "://")
	if !hasScheme {
		// git@host:PATH, the form of scp(1): the colon stands before any slash.
		host, path, hasHost := strings.Cut(address, ":")
		if !hasHost {
			return address, nil
		}
		if host == "" || strings.Contains(host, "/") {
			return "", errors.New("the repository's address has a ':' that does not end a host name")
		}
		return path, nil
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "git", "ssh":
	default:
		return "", fmt.Errorf("the repository's address begins with %.20q, not with http, https, git or ssh", scheme+"://")
	}
	if strings.ContainsAny(rest, "?#") {
		return "", errors.New("the repository's address has a '?' or a '#'")
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "", errors.New("the repository's address is not a URL with a host")
	}
	return u.Path, nil
}

// ValidName reports whether s can be a directory in the plugins' directory, as the names
// of namespaces, organisations and projects are. It matches [A-Za-z0-9][A-Za-z0-9._-]*,
// does not contain "..", and has at most 255 bytes.
func ValidName(s string) bool {
	if s == "" || len(s) > maxName || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}
