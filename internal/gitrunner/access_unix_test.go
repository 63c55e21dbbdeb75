//go:build unix

package gitrunner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sandbox"
)

func TestDirectoryIsOpenToItsOwnerItsGroupOrToAll(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give directories away")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chown(dir, 1001, 2001))
	owner := &sandbox.User{UID: 1001, GID: 9}
	group := &sandbox.User{UID: 9, GID: 2001}
	member := &sandbox.User{UID: 9, GID: 9, Groups: []uint32{8, 2001}}
	other := &sandbox.User{UID: 9, GID: 9, Groups: []uint32{8}}
	for mode, may := range map[os.FileMode]map[*sandbox.User]bool{
		0o700: {owner: true, group: false, member: false, other: false},
		0o070: {owner: false, group: true, member: true, other: false},
		0o007: {owner: false, group: false, member: false, other: true},
		0o666: {owner: false, group: false, member: false, other: false},
	} {
		require.NoError(t, os.Chmod(dir, mode))
		for user, open := range may {
			require.Equal(t, open, closedTo(user, dir) == "", "%o %+v", mode, user)
		}
	}
	require.NoError(t, os.Chmod(dir, 0o077))
	require.Equal(t, dir, closedTo(owner, filepath.Join(dir, "none")), "the first one on the way")
	require.NoError(t, os.Chmod(dir, 0o777))
	require.Equal(t, filepath.Join(dir, "none"), closedTo(owner, filepath.Join(dir, "none")))
}

func TestRecordThatNamesNoOriginIsNone(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".git"), 0o700))
	for _, text := range []string{"", "{}", `{"origin":""}`, `{"origin":"file:///x","commit":1}`, `{"origin":"file:///x"`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, releaseName), []byte(text), 0o600))
		require.Nil(t, readRelease(dir), text)
	}
	want := release{Origin: "file:///x", Branch: "release", version: version{Commit: "c"}}
	require.NoError(t, want.write(dir))
	require.Equal(t, &want, readRelease(dir))
}
