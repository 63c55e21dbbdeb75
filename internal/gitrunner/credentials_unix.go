//go:build unix

package gitrunner

import (
	"fmt"
	"os/user"
	"strconv"

	"github.com/lodastack/agent/internal/cell"
)

// credentials returns the numbers of a user and of all its groups.
func credentials(u *user.User) (*cell.User, error) {
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("looking up the groups: %w", err)
	}
	numbers := make([]uint32, 0, len(groups)+2)
	for _, text := range append([]string{u.Uid, u.Gid}, groups...) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("number of a user or group: %w", err)
		}
		numbers = append(numbers, uint32(n))
	}
	return &cell.User{UID: numbers[0], GID: numbers[1], Groups: numbers[2:]}, nil
}
