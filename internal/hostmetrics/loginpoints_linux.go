package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lodastack/agent"
)

// loginPoints are the points of one collection.
type loginPoints struct {
	points
	limit   int       // maximum number of points after the present file
	since   time.Time // older logins are skipped
	success bool      // the present file holds successful logins
	taken   takenSeconds
	// users reads the user names that may be reported for failed logins. It is
	// called at the first failed login.
	users func() (map[string]bool, error)
	known map[string]bool
	err   error // of users
}

// addLogin adds a login. It skips records of wtmp that are not logins: boots,
// ends of sessions, waiting terminals.
func (p *loginPoints) addLogin(r login) {
	failed := !p.success && (r.kind == utmpUserProcess || r.kind == utmpLoginProcess)
	succeeded := p.success && r.kind == utmpUserProcess && r.user != ""
	if !failed && !succeeded || r.time.Before(p.since) {
		return
	}
	m := agent.Metric{
		Name:  "kernel.user.login",
		Tags:  map[string]string{"user": r.user, "remote": r.remote, "device": r.line, "success": "true"},
		Value: 1.0,
	}
	if failed {
		m.Tags["user"], m.Tags["success"], m.Value = p.existing(r.user), "false", 0.0
	}
	m.Timestamp = p.taken.apart(fmt.Sprintf("%q", m.Tags), r.time.Unix())
	p.points = append(p.points, m)
}

// existing replaces a name that no user has, because people type passwords
// there.
func (p *loginPoints) existing(user string) string {
	if p.known == nil {
		p.known, p.err = p.users()
	}
	if p.known[user] {
		return user
	}
	return "invalid"
}

// users returns the names in the host's /etc/passwd. A host without that file
// has no users.
func (l *logins) users() (map[string]bool, error) {
	users := make(map[string]bool)
	content, err := os.ReadFile(filepath.Join(l.root, "etc/passwd"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return users, fmt.Errorf("reading the users of failed logins: %w", err)
	}
	for line := range bytes.Lines(content) {
		if name, _, ok := bytes.Cut(line, []byte{':'}); ok && len(name) > 0 {
			users[string(name)] = true
		}
	}
	return users, nil
}
