package gitrunner

import (
	"errors"
	"os/user"

	"github.com/lodastack/agent/internal/cell"
)

// credentials is never called: no user has the id 0 on Windows.
func credentials(*user.User) (*cell.User, error) {
	return nil, errors.New("plugins cannot run as another user on Windows")
}

// closedTo is never called either.
func closedTo(*cell.User, string) string { return "" }
