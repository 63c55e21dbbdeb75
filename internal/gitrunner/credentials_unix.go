//go:build unix

package gitrunner

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/lodastack/agent/internal/sandbox"
)

// credentials returns the ids of a user and of all its groups.
func credentials(u *user.User) (*sandbox.User, error) {
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("looking up its groups: %w", err)
	}
	numbers := make([]uint32, 0, len(groups)+2)
	for _, text := range append([]string{u.Uid, u.Gid}, groups...) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("id of a user or group: %w", err)
		}
		numbers = append(numbers, uint32(n))
	}
	return &sandbox.User{UID: numbers[0], GID: numbers[1], Groups: numbers[2:]}, nil
}

// closedTo returns the first directory in the path dir that a user may not
// enter, or "".
func closedTo(u *sandbox.User, dir string) string {
	if parent := filepath.Dir(dir); parent != dir {
		if closed := closedTo(u, parent); closed != "" {
			return closed
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return dir
	}
	stat := info.Sys().(*syscall.Stat_t)
	bit := os.FileMode(0o001)
	switch {
	case stat.Uid == u.UID:
		bit = 0o100
	case stat.Gid == u.GID, slices.Contains(u.Groups, stat.Gid):
		bit = 0o010
	}
	if info.Mode()&bit == 0 {
		return dir
	}
	return ""
}
