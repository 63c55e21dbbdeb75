package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"strings"

	"github.com/lodastack/agent"
)

// Ask asks the repository of a plugin for the commit that would be installed
// now. It fetches nothing.
func (r *Runner) Ask(ctx context.Context, p agent.Plugin) (commit string, err error) {
	if r.session == nil {
		return "", errNoGit
	}
	address, err := r.template.address(p.Repo)
	if err != nil {
		return "", err
	}
	found, err := r.lookup(ctx, address, p.Version)
	return found.Commit, err
}

// AskHost connects to the host of an address for [Config.Git], or looks for the
// directory of a file address. It returns what it asked.
func AskHost(ctx context.Context, git string) (where string, err error) {
	t, err := parseTemplate(git)
	if err != nil {
		return "", err
	}
	host, repo, _ := t.split()
	if t.scheme == "file" {
		dir, _, _ := strings.Cut("/"+strings.TrimPrefix(repo, "/"), "%")
		dir = path.Dir(dir + "x")
		_, err := os.Stat(dir)
		return dir, err
	}
	if _, hostname, hasUser := strings.Cut(host, "@"); hasUser {
		host = hostname
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		ports := map[string]string{"git": "9418", "http": "80", "https": "443", "ssh": "22"}
		host = net.JoinHostPort(strings.Trim(host, "[]"), ports[t.scheme])
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return host, fmt.Errorf("no connection: %w", err)
	}
	return host, conn.Close()
}
