package gitrunner

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// login is the user and password of an address. A credential helper gives both
// to git from its environment: every user of the host can read a command line,
// but not an environment.
type login struct {
	site           string // SCHEME://HOST[:PORT]; only this site gets the password
	user, password string
}

const (
	userVariable     = "AGENT_GIT_USERNAME"
	passwordVariable = "AGENT_GIT_PASSWORD"
	loginHelper      = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$` + userVariable + `" "$` + passwordVariable + `"; }; f`
)

// options returns the options with which git asks only our helper for the site's
// password.
func (l *login) options() []string {
	if l == nil {
		return nil
	}
	key := "credential." + l.site + ".helper="
	return []string{key, key + loginHelper}
}

func (l *login) env() []string {
	if l == nil {
		return nil
	}
	return []string{userVariable + "=" + l.user, passwordVariable + "=" + l.password}
}

// takeLogin moves the password, and the user with it, out of the template. A
// user without a password stays there, for ssh and for credential helpers.
func (t *template) takeLogin() error {
	scheme, rest, isURL := strings.Cut(t.text, "://")
	if !isURL {
		return nil
	}
	host, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(host, "@")
	if at < 0 {
		return nil
	}
	userinfo, host := host[:at], host[at+1:]
	user, password, hasPassword := strings.Cut(userinfo, ":")
	switch {
	case scheme == "git": // its protocol has no users: git would look up the host "USER@HOST"
		t.text = scheme + "://" + host + "/" + path
		return nil
	case !hasPassword:
		return nil
	}
	t.text = scheme + "://" + host + "/" + path
	if scheme != "http" && scheme != "https" {
		return fmt.Errorf("%s takes no password from an address; leave the password out", scheme)
	}
	user, userErr := url.PathUnescape(user)
	password, passwordErr := url.PathUnescape(password)
	if userErr != nil || passwordErr != nil || strings.ContainsAny(user+password, "\x00\r\n") {
		return errors.New("its user or password cannot be read; write each special character as %XX")
	}
	t.login = &login{site: scheme + "://" + host, user: user, password: password}
	return nil
}

// withoutLogin returns the address without its user and password, for records and
// messages.
func withoutLogin(address string) string {
	t := template{text: address}
	if t.takeLogin() != nil {
		return address
	}
	return t.text
}
