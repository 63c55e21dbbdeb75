//go:build unix

package safefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/safefile"
)

// another is a user id that is neither root's nor the test's.
const another = 12345

func mkdir(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(path, 0o700))
	require.NoError(t, os.Chmod(path, mode)) // whatever the umask is
	return path
}

func give(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	require.NoError(t, os.Lchown(path, another, another))
}

func TestADirectoryOfTheAgentIsWritableByNobodyElse(t *testing.T) {
	for mode, good := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o775: false, 0o757: false, 0o777 | os.ModeSticky: false} {
		dir := mkdir(t, filepath.Join(t.TempDir(), "dir"), mode)
		if err := safefile.CheckDir(dir); good {
			require.NoError(t, err, mode)
		} else {
			require.ErrorContains(t, err, dir+" is writable by others than its owner", mode)
			require.ErrorContains(t, err, "run chmod go-w "+dir)
		}
	}
}

func TestADirectoryOfAnotherUserIsRefused(t *testing.T) {
	dir := mkdir(t, filepath.Join(t.TempDir(), "dir"), 0o755)
	give(t, dir)
	require.ErrorContains(t, safefile.CheckDir(dir), dir+" belongs to 12345, and the agent runs as root")
	require.ErrorContains(t, safefile.CheckDir(filepath.Join(dir, "new", "log")), dir+" belongs to 12345")
}

func TestNobodyElseCanExchangeADirectoryOfTheAgent(t *testing.T) {
	above := t.TempDir()
	dir := mkdir(t, filepath.Join(above, "a", "b"), 0o700)
	mkdir(t, filepath.Join(above, "a"), 0o777)
	require.ErrorContains(t, safefile.CheckDir(dir), "where every user may replace it (mode 0777)")
	mkdir(t, filepath.Join(above, "a"), 0o777|os.ModeSticky)
	require.NoError(t, safefile.CheckDir(dir), "in /tmp only its owner can rename it")
	mkdir(t, filepath.Join(above, "a"), 0o775)
	require.NoError(t, safefile.CheckDir(dir), "such is /var/log of Ubuntu")
}

func TestALinkOfAnotherUserIsRefused(t *testing.T) {
	above := t.TempDir()
	dir := mkdir(t, filepath.Join(above, "dir"), 0o700)
	link := filepath.Join(above, "link")
	require.NoError(t, os.Symlink(dir, link))
	require.NoError(t, safefile.CheckDir(link))
	require.NoError(t, safefile.CheckDir(filepath.Join(link, "below")))
	give(t, link)
	require.ErrorContains(t, safefile.CheckDir(link), link+" belongs to 12345")
	require.ErrorContains(t, safefile.CheckDir(filepath.Join(link, "below")), link+" belongs to 12345")
}

func TestWhereALinkLeadsIsJudgedToo(t *testing.T) {
	above := t.TempDir()
	open := mkdir(t, filepath.Join(above, "open"), 0o755)
	mkdir(t, filepath.Join(open, "dir"), 0o755)
	require.NoError(t, os.Symlink(filepath.Join(open, "dir"), filepath.Join(above, "link")))
	mkdir(t, open, 0o777)
	for _, below := range []string{"", "new", "new/log"} {
		require.ErrorContains(t, safefile.CheckDir(filepath.Join(above, "link", below)), open+", where every user may replace it")
	}
}

func TestAFileOfTheAgentIsWritableByNobodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("secret"), 0o600))
	for mode, want := range map[os.FileMode]struct{ config, secret string }{
		0o600: {},
		0o640: {},
		0o644: {secret: "is a secret that every user may read"},
		0o666: {config: "is writable by others", secret: "is writable by others"},
	} {
		require.NoError(t, os.Chmod(path, mode))
		for secret, want := range map[bool]string{false: want.config, true: want.secret} {
			if err := safefile.CheckFile(path, secret); want == "" {
				require.NoError(t, err, mode)
			} else {
				require.ErrorContains(t, err, path+" "+want, mode)
			}
		}
	}
	require.NoError(t, os.Chmod(path, 0o600))
	give(t, path)
	require.ErrorContains(t, safefile.CheckFile(path, false), path+" belongs to 12345")
}
