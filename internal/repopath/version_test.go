package repopath_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/repopath"
)

func TestVersionIsATagOrACommit(t *testing.T) {
	for _, version := range []string{"v1", "1.2.3", "release/2026-11", "v1.0.0+build_1", strings.Repeat("a1", 20), strings.Repeat("0", 64)} {
		require.NoError(t, repopath.CheckVersion(version), version)
	}
	for _, version := range []string{"", "-v1", ".v1", "v1.", "v1..2", "v1.lock", "a/.b", "a//b", "a/", "/a", "v 1", "v1~2", "v1^", "v1:x", "v1@{0}",
		"v1*", "v\n1", "v1é", "a.lock/b", strings.Repeat("v", 201)} {
		require.Error(t, repopath.CheckVersion(version), version)
	}
}

func TestCommitIsWrittenInFull(t *testing.T) {
	require.True(t, repopath.IsCommit(strings.Repeat("a1", 20)))
	require.True(t, repopath.IsCommit(strings.Repeat("a1", 32)))
	for _, version := range []string{"", "v1", "abcdef1", strings.Repeat("A1", 20), strings.Repeat("g1", 20)} {
		require.False(t, repopath.IsCommit(version), version)
	}
}
