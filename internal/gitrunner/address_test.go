package gitrunner

import (
	"os/user"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplateMakesTheAddressOfARepository(t *testing.T) {
	for _, c := range []struct{ template, repo, want string }{
		{"https://h/%s.git", "org/p", "https://h/org/p.git"},
		{"https://h/%s.git", "org/sub/p", "https://h/org/sub/p.git"},
		{"https://h:8443/org/%s.git", "org/p", "https://h:8443/org/p.git"},
		{"https://h/org/%s.git", "org/sub/p", "https://h/org/sub/p.git"},
		{"https://h/org/sub/%s.git", "org/sub/p", "https://h/org/sub/p.git"},
		{"https://h/scm/org/%s.git", "org/p", "https://h/scm/org/p.git"},
		{"https://h/scm/%o/%p.git", "org/p", "https://h/scm/org/p.git"},
		{"https://h/scm/%o/%p.git", "org/a/b/p", "https://h/scm/org/a/b/p.git"},
		{"https://h/%p/of/%o", "org/p", "https://h/p/of/org"},
		{"git@h:%s.git", "org/p", "git@h:org/p.git"},
		{"git@h:org/%s.git", "org/p", "git@h:org/p.git"},
		{"git@h:%o/%p.git", "org/sub/p", "git@h:org/sub/p.git"},
		{"git://git@git.test.com/orgname/%s.git", "orgname/p", "git://git.test.com/orgname/p.git"},
		{"file:///srv/%s.git", "org/p", "file:///srv/org/p.git"},
		{"file:///srv/org/%s.git", "org/p", "file:///srv/org/p.git"},
		{"file:///srv/%o/%p.git", "srv/p", "file:///srv/srv/p.git"},
		{"http://ann:pw@h/%s.git", "org/p", "http://h/org/p.git"},
		{"https://ann@h/%s.git", "org/p", "https://ann@h/org/p.git"},
		{"https://h/org/%s.git", "other/p", ""},
		{"https://h/org/%s.git", "org2/p", ""},
		{"https://h/scm/%s.git", "org/p", ""},
	} {
		parsed, err := parseTemplate(c.template)
		require.NoError(t, err, c.template)
		address, err := parsed.address(c.repo)
		if c.want == "" {
			require.ErrorContains(t, err, "is refused", c)
			continue
		}
		require.NoError(t, err, c)
		require.Equal(t, c.want, address, c)
	}
}

func TestTemplateThatGuessesIsRefused(t *testing.T) {
	for _, text := range []string{
		"https://h/x.git", "https://h/%s/%s", "https://h/%o.git", "https://h/%p.git", "https://h/%s/%p.git",
		"https://h/%o/%o/%p", "https://%s/x", "https://%o/%p", "https://%o/%o/%p", "/srv/%s", "h/%s", "ext::sh -c %s",
		"https://u:%s@h/%s", "-u/%s", "file://h/%s", "https:///%s", "git@-h:%s", "git@h:../%s", "ftp://h/%s",
	} {
		require.Error(t, CheckGit(text), text)
	}
}

func TestHomeOfTheUserDatabaseIsUsedWhereTheEnvironmentHasNone(t *testing.T) {
	u, err := user.Current()
	require.NoError(t, err)
	require.Equal(t, []string{"A=b", "HOME=" + u.HomeDir}, ownEnv([]string{"A=b", "GIT_DIR=/x"}))
	require.Equal(t, []string{"HOME=", "HOME=" + u.HomeDir}, ownEnv([]string{"HOME="}))
	require.Equal(t, []string{"HOME=/x"}, ownEnv([]string{"HOME=/x"}))
}
