package gitrunner

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/sandbox"
)

// owner is the user that plugins run as.
type owner struct {
	name    string
	user    *sandbox.User // nil: as the agent
	warning string
}

// CheckUser says what is wrong with [Config.User], and with the user of a rule.
func CheckUser(name string) error {
	_, err := lookupUser(name, os.Geteuid())
	return err
}

// UIDs returns the numbers of the users with these names that plugins run as,
// without the agent's own: where the agent is not root there are none. dynamic is
// true where [DynamicUser] is among the names: then there are those of its range,
// too.
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

// lookupUser returns a user that must exist. Nobody has asked for the default
// one, which need not exist where only the agent's own user can run plugins: it
// is nil then. Dynamic users are nil, too.
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

// lookupOwners finds the user that plugins run as, and those of the rules, by
// their names. Where the agent can change users, dynamic ones are not among them.
func lookupOwners(config Config, euid int) (map[string]owner, error) {
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
	add("agent.pluginsuser", config.User)
	for _, rule := range config.Policy.Rules {
		add("policy.plugin.user", rule.User)
	}
	return owners, errors.Join(problems...)
}

// owner returns the user that a plugin runs as.
func (r *Runner) owner(p agent.Plugin) owner {
	if o, named := r.owners[cmp.Or(r.config.Policy.Rule(p.Repo).User, r.config.User)]; named {
		return o
	}
	return r.dynamic.owner(p.Namespace)
}

// lookupOwner finds a user for an agent that runs as euid. key is where it is
// named.
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

// ownUser is for agents that cannot change users (on Windows, none can). In a
// container the own user may have no name.
func ownUser(key, wanted string) owner {
	name := "user " + strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	o := owner{name: name}
	if name != wanted {
		o.warning = fmt.Sprintf("plugins run as %s, the agent's own user, not as %s of %s: only root can change users", name, wanted, key)
	}
	return o
}
