package repopath_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/repopath"
)

func TestEveryFormOfAddressNamesTheSameRepository(t *testing.T) {
	for _, address := range []string{
		"XXX/my-sql.v2_1",
		"XXX/my-sql.v2_1.git",
		"/XXX/my-sql.v2_1/",
		"  XXX/my-sql.v2_1  ",
		"git@git.test.com:XXX/my-sql.v2_1.git",
		"git@git.test.com:XXX/my-sql.v2_1",
		"git@git.test.com:/XXX/my-sql.v2_1.git",
		"git.test.com:XXX/my-sql.v2_1.git",
		"http://git.test.com/XXX/my-sql.v2_1.git",
		"https://git.test.com/XXX/my-sql.v2_1.git",
		"https://git.test.com/XXX/my-sql.v2_1.git/",
		"https://user:secret@git.test.com:8443/XXX/my-sql.v2_1.git",
		"HTTPS://git.test.com/XXX/my-sql.v2_1",
		"git://git.test.com/XXX/my-sql.v2_1.git",
		"git://git@git.test.com/XXX/my-sql.v2_1.git",
		"ssh://git@git.test.com:2222/XXX/my-sql.v2_1.git",
		"ssh://git@[::1]:2222/XXX/my-sql.v2_1.git",
	} {
		repo, err := repopath.Parse(address)
		require.NoError(t, err, address)
		require.Equal(t, "XXX/my-sql.v2_1", repo, address)
	}
}

func TestRepositoryMayLieInSubgroups(t *testing.T) {
	for _, address := range []string{
		"a/b/c/project",
		"git@git.test.com:a/b/c/project.git",
		"https://git.test.com:8443/a/b/c/project.git",
		"ssh://git@git.test.com/a/b/c/project",
	} {
		repo, err := repopath.Parse(address)
		require.NoError(t, err, address)
		require.Equal(t, "a/b/c/project", repo, address)
	}
}

func TestAddressThatCouldLeadElsewhereIsRefused(t *testing.T) {
	for _, address := range []string{
		"", " ", "/", ".git", "mysql", "mysql.git", "XXX/", "/mysql", "XXX/.git", "XXX//mysql",
		"https://git.test.com/mysql.git", "https://git.test.com",
		"a/../b/mysql", "a//b/mysql", "a/.b/mysql", "a/-b/mysql", strings.Repeat("a/", 600) + "mysql",
		"../mysql", "XXX/..", "XXX/a..b", "./mysql", "XXX/.hidden", "XXX/a.git.git", "-XXX/mysql", "XXX/-mysql", "_x/mysql",
		"XXX/my sql", "XXX/my\nsql", "XXX/my\x00sql", "XXX/mysql;ls", "XXX/my\\sql", "XXX/mysqé",
		"git@git.test.com:../../etc", "git@git.test.com:XXX/../mysql", ":XXX/mysql", "a/b:XXX/mysql",
		"https://git.test.com/XXX/mysql.git?ref=x", "https://git.test.com/XXX/mysql.git#x",
		"https://git.test.com/XXX/%2e%2e", "https://git.test.com/%2e%2e/XXX/mysql", "https:///XXX/mysql",
		"file:///XXX/mysql", "ext::sh -c XXX/mysql", "ftp://git.test.com/XXX/mysql", "https://[::1/XXX/mysql",
		"XXX/" + strings.Repeat("x", 256),
	} {
		repo, err := repopath.Parse(address)
		require.Error(t, err, "%q became %q", address, repo)
		require.Empty(t, repo)
	}
}

func TestErrorsDoNotRepeatPasswords(t *testing.T) {
	for _, address := range []string{
		"https://user:hunter2@git.test.com/a/..b/c.git",
		"https://user:hunter2@git.test.com/a/b.git?x",
		"https://user:hunter2@[git.test.com/a/b.git",
		"ftp://user:hunter2@git.test.com/a/b.git",
		"user:hunter2@git.test.com/a/b.git",
	} {
		_, err := repopath.Parse(address)
		require.ErrorContains(t, err, "repository")
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("git@git.test.com:XXX/mysql.git")
	f.Add("ssh://git@git.test.com:22/XXX/mysql")
	f.Fuzz(func(t *testing.T, address string) {
		repo, err := repopath.Parse(address)
		if err != nil {
			require.Empty(t, repo)
			return
		}
		require.NoError(t, repopath.Check(repo), "%q became %q", address, repo)
		for _, form := range []string{repo, repo + ".git", "git@host:" + repo + ".git"} {
			again, err := repopath.Parse(form)
			require.NoError(t, err)
			require.Equal(t, repo, again)
		}
	})
}
