package repopath

import (
	"errors"
	"strings"
)

// maxVersion is the longest name of a tag, in bytes.
const maxVersion = 200

// CheckVersion returns an error unless version is the name of a tag or a full commit. A
// tag's name is ASCII and obeys git-check-ref-format(1).
func CheckVersion(version string) error {
	if version == "" || len(version) > maxVersion || strings.ContainsFunc(version, notInVersion) || !isLetterOrDigit(rune(version[0])) {
		return errVersion
	}
	for _, part := range strings.Split(version, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") || strings.Contains(part, "..") {
			return errVersion
		}
	}
	return nil
}

var errVersion = errors.New("a version is the name of a tag, or a full commit: it begins with a letter or digit" +
	" and continues with letters, digits, '.', '_', '-', '+' and '/', without '..'")

// IsCommit reports whether a version is a full commit, of SHA-1 or SHA-256.
func IsCommit(version string) bool {
	return (len(version) == 40 || len(version) == 64) && strings.Trim(version, "0123456789abcdef") == ""
}

func notInVersion(c rune) bool { return !isLetterOrDigit(c) && !strings.ContainsRune("._-+/", c) }

func isLetterOrDigit(c rune) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
