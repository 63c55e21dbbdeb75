package main

import (
	"fmt"
	"regexp"
)

// described is a version as git describe prints it: a tag, the number of commits
// since, the last one, and whether files were changed.
var described = regexp.MustCompile(`^v(\d+\.\d+\.\d+)(?:-((?:alpha|beta|rc)\.?\d+))?(?:-(\d+)-(g[0-9a-f]+))?(-dirty)?$`)

// packageVersion returns the version in the form of a package format, so that
// v1.0.0-rc.1 < v1.0.0 < v1.0.0-5-g0123 < v1.0.1 in the order of each.
func packageVersion(format, version string) (string, error) {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("version %s: tags are vMAJOR.MINOR.PATCH, with -alpha.N, -beta.N or -rc.N behind", version)
	}
	result, pre, commits, commit, dirty := m[1], m[2], m[3], m[4], m[5] != ""
	if format == "apk" {
		if pre != "" {
			result += "_" + regexp.MustCompile(`\.`).ReplaceAllString(pre, "")
		}
		if commits != "" {
			result += "_p" + commits // apk knows no letters here
		}
		return result, nil
	}
	if pre != "" {
		result += "~" + pre
	}
	if commits != "" {
		result += "+" + commits + "." + commit
	}
	if dirty {
		result += "+dirty"
	}
	return result, nil
}
