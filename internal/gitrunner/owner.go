package gitrunner

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"

	"github.com/lodastack/agent/internal/policy"
	"github.com/lodastack/agent/internal/sandbox"
)

// owner is the user that plugins run as.
type owner struct {
	name    string
	user    *sandbox.User // nil: as the agent
	warning string
}

// CheckUser returns an error if plugins cannot run as the user, which [Config.User] or a
// rule names.
func CheckUser(name string) error {
	_, err := lookupUser(name, os.Geteuid())
	return err
}

// UIDs returns the uids of users that plugins run as, by their names, without the
// agent's own. If the agent is not root there are none. dynamic is true if
// [DynamicUser] is among the names: then plugins also run as users of its range.
func UIDs(names ...string) (uids []int, dynamic bool, err error) {
	if os.Geteuid() != 0 {
		return nil, false, nil
	}
	for _, name := range names {
		if name == DynamicUser {
			dynamic = true
			continue
		}
		o, err := lookupOwner("agent.pluginsuser", cmp.Or(name, defaultUser), 0)
		if err != nil {
			return nil, false, err
		}
		if o.user != nil && !slices.Contains(uids, int(o.user.UID)) {
			uids = append(uids, int(o.user.UID))
		}
	}
	return uids, dynamic, nil
}

// lookupUser returns a user that must exist. The default user need not exist if the
// agent cannot change users: then it returns nil. It also returns nil for
// [DynamicUser].
func lookupUser(name string, euid int) (*user.User, error) {
	switch {
	case name == DynamicUser && euid == 0:
		return nil, checkDynamicUsers()
	case name == DynamicUser:
		return nil, nil
	}
	u, err := user.Lookup(name)
	switch {
	case err == nil:
		return u, nil
	case euid != 0 && name == defaultUser:
		return nil, nil
	case errors.As(err, new(user.UnknownUserError)):
		return nil, fmt.Errorf("there is no user %q on this system; make it (useradd --system %s) or name another", name, name)
	}
	return nil, err
}

// lookupOwners returns the users that the config and the rules of the policy name, by their
// names. If the agent can change users, [DynamicUser] is not among them.
func lookupOwners(user string, p policy.Policy, euid int) (map[string]owner, error) {
	owners := map[string]owner{}
	var problems []error
	add := func(key, name string) {
		if _, known := owners[name]; known || name == "" {
			return
		}
		if name == DynamicUser && euid == 0 {
			if err := checkDynamicUsers(); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", key, err))
			}
			return
		}
		var err error
		if owners[name], err = lookupOwner(key, name, euid); err != nil {
			problems = append(problems, err)
		}
	}
	add("agent.pluginsuser", user)
	for _, rule := range p.Rules {
		add("policy.plugin.user", rule.User)
	}
	return owners, errors.Join(problems...)
}

// lookupOwner returns a user for an agent that runs as euid. key is the key of the
// config that names it.
func lookupOwner(key, name string, euid int) (owner, error) {
	u, err := lookupUser(name, euid)
	if err != nil {
		return owner{}, fmt.Errorf("%s: %w", key, err)
	}
	if euid != 0 {
		return ownUser(key, name), nil
	}
	o := owner{name: name}
	if o.user, err = credentials(u); err != nil {
		return owner{}, fmt.Errorf("%s %q: %w", key, name, err)
	}
	if o.user.UID == 0 {
		o.user = nil
		o.warning = fmt.Sprintf("plugins run as root, because %s says so", key)
	}
	return o, nil
}

// ownUser returns the agent's own user, for an agent that cannot change users (on
// Windows, none can). In a container that user may have no name.
func ownUser(key, asked string) owner {
	name := "user " + strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	o := owner{name: name}
	if name != asked {
		o.warning = fmt.Sprintf("plugins run as %s, the agent's own user, not as %s of %s: only root can change users", name, asked, key)
	}
	return o
}
