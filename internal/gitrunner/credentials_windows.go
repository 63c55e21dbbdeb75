package gitrunner

import (
	"errors"
	"os/user"

	"github.com/lodastack/agent/internal/cell"
)

// credentials is not called: nobody is user 0 here.
func credentials(*user.User) (*cell.User, error) {
	return nil, errors.New("plugins cannot run as another user on Windows")
}

// closedTo is not called either.
func closedTo(*cell.User, string) string { return "" }
