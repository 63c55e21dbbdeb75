// Package repopath reads the addresses of plugin repositories, as the registry
// and the callers of the HTTP API write them.
package repopath

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxName is the longest file name that Linux file systems take, in bytes:
// names become directories.
const maxName = 255

// Parse returns the path ORG/PROJECT of the repository at address, which has
// one of the forms
//
//	ORG/PROJECT
//	git@host:ORG/PROJECT.git
//	https://host/ORG/PROJECT.git
//
// The schemes http, https, git and ssh are known; user, host and port play no
// part, and the ending .git may be left out. Both names of the path obey
// [ValidName], and what Parse returned it returns again. Errors do not repeat
// what may be a password.
func Parse(address string) (string, error) {
	path, err := pathOf(strings.TrimSpace(address))
	if err != nil {
		return "", err
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	org, project, ok := strings.Cut(path, "/")
	// A project that still ended in .git would be another one when read again.
	if !ok || !ValidName(org) || !ValidName(project) || strings.HasSuffix(project, ".git") {
		return "", fmt.Errorf("the repository's path %.80q is not ORG/PROJECT, where both begin with a letter or digit"+
			" and go on with letters, digits, '.', '_' and '-', without '..'", path[strings.LastIndex(path, "@")+1:])
	}
	return path, nil
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
		return "", errors.New("the repository's address is no URL with a host")
	}
	return u.Path, nil
}

// ValidName tells whether s may be the name of a directory of plugins, which
// holds for a namespace, an organisation and a project alike: it matches
// [A-Za-z0-9][A-Za-z0-9._-]*, has no ".." in it and at most 255 bytes.
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
