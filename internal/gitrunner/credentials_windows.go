package gitrunner

import (
	"errors"
	"os/user"

	"github.com/lodastack/agent/internal/sandbox"
)

// credentials is never called: no user has the id 0 on Windows.
func credentials(*user.User) (*sandbox.User, error) {
	return nil, errors.New("plugins cannot run as another user on Windows")
}

// closedTo is never called either.
func closedTo(*sandbox.User, string) string { return "" }
